using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Parsimony.Exploration.Labels;

/// <summary>
/// The labels of an SAE's latents, in one SQLite file. Any number of threads and processes may read and write at once; what one has written, all see. Texts are kept as they were given, markup too: who shows them in a page
/// escapes them.
/// </summary>
public sealed class LabelStore : IDisposable
{
    /// <summary>The file's name in a run folder.</summary>
    public const string FileName = "labels.db";

    /// <summary>Characters at most, of a label by hand and of a note.</summary>
    public const int LongestLabel = 200, LongestNote = 4000;

    private const string Layout = "1", Wanted = "WHERE latent IN (SELECT value FROM json_each($wanted))";
    private readonly LabelFile file;

    private LabelStore(LabelFile file, int dSae) => (this.file, DSae) = (file, dSae);

    /// <summary>Number of latents.</summary>
    public int DSae { get; }

    /// <summary>Opens the store of an SAE, or begins one.</summary>
    /// <param name="folder">The run folder; its labels.db is the store.</param>
    /// <param name="saeSha256">SHA-256 of the SAE's weights.</param>
    /// <param name="dSae">Number of its latents.</param>
    /// <exception cref="InvalidDataException">labels.db holds the labels of another SAE, or is no label store.</exception>
    /// <exception cref="IOException">It cannot be read or written.</exception>
    public static LabelStore Open(string folder, string saeSha256, int dSae)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(saeSha256);
        ArgumentOutOfRangeException.ThrowIfLessThan(dSae, 1);
        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"'{folder}' does not exist; labels are kept in a run folder. Make one with 'parsimony train'.");
        var file = new LabelFile(Path.Combine(folder, FileName));
        try
        {
            file.Do(connection => Begin(connection, file.Path, saeSha256.ToLowerInvariant(), dSae));
            return new(file, dSae);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens the store of an SAE if there is one; null: there is none, and none is begun.</summary>
    /// <param name="folder">The run folder.</param>
    /// <param name="saeSha256">SHA-256 of the SAE's weights.</param>
    /// <param name="dSae">Number of its latents.</param>
    /// <exception cref="InvalidDataException">As for <see cref="Open"/>.</exception>
    /// <exception cref="IOException">As for <see cref="Open"/>.</exception>
    public static LabelStore? OpenExisting(string folder, string saeSha256, int dSae) => File.Exists(Path.Combine(folder, FileName)) ? Open(folder, saeSha256, dSae) : null;

    /// <summary>All that is said of a latent; nothing is said of most.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public LatentLabels Get(int latent) => Get([latent])[0];

    /// <summary>The same of many at once, in the order asked for.</summary>
    /// <param name="latents">The latents.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public IReadOnlyList<LatentLabels> Get(IReadOnlyCollection<int> latents)
    {
        foreach (int latent in latents) Check(latent);
        string wanted = $"[{string.Join(',', latents)}]";
        return file.Do(connection =>
        {
            using var together = connection.BeginTransaction(deferred: true);
            var hand = connection.Rows($"SELECT latent, label, note, star, changed FROM hand {Wanted}", ReadHand, ("$wanted", wanted)).ToDictionary(l => l.Latent);
            var automatic = connection.Rows($"SELECT latent, method, text, scores, model, made FROM automatic {Wanted} AND text <> ''", ReadAutomatic, ("$wanted", wanted)).ToLookup(l => l.Latent);
            return latents.Select(latent => (hand.GetValueOrDefault(latent) ?? new() { Latent = latent }) with { Automatic = [.. automatic[latent].OrderBy(a => a.Method)] }).ToList();
        });
    }

    /// <summary>The labels of a latent that no person wrote; those of methods that found nothing are left out.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    public IReadOnlyList<AutomaticLabel> Automatic(int latent) => Get(latent).Automatic;

    /// <summary>Changes what a person says of a latent; what is null stays as it is, an empty text takes the label or note away.</summary>
    /// <param name="latent">The latent.</param>
    /// <param name="label">One line of <see cref="LongestLabel"/> characters at most.</param>
    /// <param name="note"><see cref="LongestNote"/> characters at most.</param>
    /// <param name="star">Whether it is marked.</param>
    /// <returns>What is said of it now.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    /// <exception cref="ArgumentException">A text is too long, or has characters that a text cannot have.</exception>
    public LatentLabels Set(int latent, string? label = null, string? note = null, bool? star = null)
    {
        Check(latent);
        label = LabelText.Checked(label?.Trim(), "label", LongestLabel, isLine: true);
        note = LabelText.Checked(note?.Trim(), "note", LongestNote, isLine: false);
        file.Do(connection =>
        {
            using var whole = connection.BeginTransaction();
            connection.Run("INSERT INTO hand (latent, label, note, star, changed) VALUES ($latent, coalesce($label, ''), coalesce($note, ''), coalesce($star, 0), $now) ON CONFLICT (latent) DO UPDATE SET "
                + "label = coalesce($label, label), note = coalesce($note, note), star = coalesce($star, star), changed = $now", ("$latent", latent), ("$label", label), ("$note", note), ("$star", star), ("$now", Now()));
            connection.Run("DELETE FROM hand WHERE latent = $latent AND label = '' AND note = '' AND star = 0", ("$latent", latent));
            whole.Commit();
            return 0;
        });
        return Get(latent);
    }

    /// <summary>Keeps automatic labels, all or none; each in the place of an older one of the same latent and method.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such latent.</exception>
    /// <exception cref="ArgumentException">A text is too long, or has characters that a text cannot have.</exception>
    public void Keep(IReadOnlyCollection<AutomaticLabel> labels)
    {
        foreach (var label in labels)
        {
            Check(label.Latent);
            LabelText.Checked(label.Text, "automatic label", AutomaticLabel.LongestText, isLine: false);
        }
        file.Do(connection =>
        {
            using var whole = connection.BeginTransaction();
            foreach (var l in labels)
                connection.Run("INSERT OR REPLACE INTO automatic (latent, method, text, scores, model, made) VALUES ($latent, $method, $text, $scores, $model, $made)", ("$latent", l.Latent), ("$method", Name(l.Method)),
                    ("$text", l.Text), ("$scores", ScoreText.Write(l.Scores)), ("$model", l.Model), ("$made", Text(l.Made)));
            whole.Commit();
            return 0;
        });
    }

    /// <summary>The latents that a method was tried on, those too for which it found nothing.</summary>
    /// <param name="method">The method.</param>
    /// <param name="model">Of an explainer, by this model; null: by any.</param>
    public IReadOnlySet<int> Tried(LabelMethod method, string? model = null) => file.Do(connection =>
        connection.Rows("SELECT latent FROM automatic WHERE method = $method AND ($model IS NULL OR model = $model)", row => row.GetInt32(0), ("$method", Name(method)), ("$model", model)).ToHashSet());

    /// <summary>The latents whose labels or notes have a text in them, upper and lower case alike: first those where a person's have, then by number.</summary>
    /// <param name="text">What to look for; nothing is found for an empty one.</param>
    /// <param name="most">Hits at most, 1 or more.</param>
    public IReadOnlyList<LabelHit> Find(string text, int most = 200)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        if (text.Length == 0) return [];
        return file.Do(connection =>
        {
            connection.CreateFunction("has", (string? where) => where?.Contains(text, StringComparison.OrdinalIgnoreCase) == true, isDeterministic: true); // LIKE folds A to Z only
            return connection.Rows("SELECT latent, NULL, label, 0 AS place FROM hand WHERE has(label) UNION ALL SELECT latent, NULL, note, 1 FROM hand WHERE has(note) "
                + "UNION ALL SELECT latent, method, text, 2 FROM automatic WHERE has(text) ORDER BY place, 1, 2 LIMIT $most", row => new LabelHit(row.GetInt32(0), row.IsDBNull(1) ? null : Method(row.GetString(1)), row.GetString(2)), ("$most", most));
        });
    }

    /// <summary>The latents that a person marked with a star, ascending.</summary>
    public IReadOnlyList<int> Starred() => file.Do(connection => connection.Rows("SELECT latent FROM hand WHERE star = 1 ORDER BY latent", row => row.GetInt32(0)));

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private static int Begin(SqliteConnection connection, string path, string saeSha256, int dSae)
    {
        if (connection.Rows("SELECT count(*) FROM sqlite_master", row => row.GetInt32(0))[0] == 0)
        {
            connection.Run("PRAGMA journal_mode = WAL");
            using var whole = connection.BeginTransaction();
            connection.Run("""
                CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                CREATE TABLE IF NOT EXISTS automatic (latent INTEGER NOT NULL, method TEXT NOT NULL, text TEXT NOT NULL, scores TEXT, model TEXT, made TEXT NOT NULL, PRIMARY KEY (latent, method)) WITHOUT ROWID;
                CREATE TABLE IF NOT EXISTS hand (latent INTEGER PRIMARY KEY, label TEXT NOT NULL, note TEXT NOT NULL, star INTEGER NOT NULL, changed TEXT NOT NULL);
                """);
            foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[("layout", Layout), ("sae_sha256", saeSha256), ("d_sae", dSae.ToString(CultureInfo.InvariantCulture))])
                connection.Run("INSERT OR IGNORE INTO about VALUES ($name, $value)", ("$name", name), ("$value", value));
            whole.Commit();
        }
        bool ours = connection.Rows("SELECT count(*) FROM sqlite_master WHERE name IN ('about', 'automatic', 'hand')", row => row.GetInt32(0))[0] == 3;
        var about = ours ? connection.Rows("SELECT name, value FROM about", row => (row.GetString(0), row.GetString(1))).ToDictionary() : [];
        if (about.GetValueOrDefault("layout") is not Layout) throw new InvalidDataException($"'{path}' is no label store of layout {Layout}. Move it away, then label again.");
        if (about.GetValueOrDefault("sae_sha256") is var sae && sae != saeSha256) throw new InvalidDataException(
            $"'{path}' holds the labels of another SAE: SHA-256 {Short(sae)}, this one has {Short(saeSha256)}. Move it away, or name the folder of the other SAE.");
        return 0;
    }

    private void Check(int latent)
    {
        if ((uint)latent >= (uint)DSae) throw new ArgumentOutOfRangeException(nameof(latent), $"there is no latent {latent}; this SAE has latents 0 to {DSae - 1}.");
    }

    private static LatentLabels ReadHand(SqliteDataReader row) => new()
    {
        Latent = row.GetInt32(0),
        Hand = row.GetString(1) is { Length: > 0 } label ? label : null,
        Note = row.GetString(2) is { Length: > 0 } note ? note : null,
        Star = row.GetBoolean(3),
        Changed = Time(row.GetString(4)),
    };

    private static AutomaticLabel ReadAutomatic(SqliteDataReader row) => new()
    {
        Latent = row.GetInt32(0),
        Method = Method(row.GetString(1)),
        Text = row.GetString(2),
        Scores = row.IsDBNull(3) ? null : ScoreText.Read(row.GetString(3)),
        Model = row.IsDBNull(4) ? null : row.GetString(4),
        Made = Time(row.GetString(5)),
    };

    private static string Name(LabelMethod method) => method.ToString().ToLowerInvariant();

    private static LabelMethod Method(string name) => Enum.TryParse<LabelMethod>(name, ignoreCase: true, out var method) ? method
        : throw new InvalidDataException($"{FileName} has a label made by '{name}', which this version does not know. Use the version that made it.");

    private static string Now() => Text(DateTimeOffset.Now);

    private static string Text(DateTimeOffset time) => time.ToString("O", CultureInfo.InvariantCulture);

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);

    private static string Short(string? sha256) => sha256?.Length > 12 ? sha256[..12] + "…" : sha256 ?? "unknown";
}
