using System.Globalization;

namespace Parsimony.Explorer.Features;

/// <summary>What the list of features can be sorted by.</summary>
public enum FeatureColumn
{
    /// <summary>Index of the latent.</summary>
    Latent,

    /// <summary>Share of the tokens fired on.</summary>
    Density,

    /// <summary>Largest activation.</summary>
    Max,

    /// <summary>Mean activation over all tokens.</summary>
    Mean,

    /// <summary>Measured effect on the next token, nats.</summary>
    Effect,

    /// <summary>How far an adapter moves it, mean |f' - f|.</summary>
    Moved,
}

/// <summary>Which features are listed and in what order. The whole of it fits in an address: <c>query=tok:dog&amp;sort=density&amp;min_density=0.001</c>.</summary>
public sealed record FeatureQuery
{
    /// <summary>What was typed into the search box; see <see cref="FeatureSearch"/>.</summary>
    public string Text { get; init; } = "";

    /// <summary>The column that is sorted by; default the measured effect, with an adapter how far it moves the latent.</summary>
    public FeatureColumn Sort { get; init; } = FeatureColumn.Effect;

    /// <summary>Whether the largest come first; default true, of the latents' numbers false.</summary>
    public bool Descending { get; init; } = true;

    /// <summary>Smallest density listed; null: any.</summary>
    public double? MinDensity { get; init; }

    /// <summary>Largest density listed; null: any.</summary>
    public double? MaxDensity { get; init; }

    /// <summary>List only latents that the adapter moves.</summary>
    public bool OnlyMoved { get; init; }

    /// <summary>List only latents that fire on the index's text.</summary>
    public bool OnlyAlive { get; init; }

    /// <summary>The adapter that latents are moved by; null: none.</summary>
    public string? Adapter { get; init; }

    /// <summary>How many are passed over before the first one shown.</summary>
    public int Skip { get; init; }

    /// <summary>Reads it from the parts of an address.</summary>
    /// <param name="part">The value of a part by its name; null or empty: the default.</param>
    /// <exception cref="ArgumentException">One or more parts are not of their form; all are named.</exception>
    public static FeatureQuery Parse(Func<string, string?> part)
    {
        var faults = new List<string>();
        string? Value(string name) => part(name) is { Length: > 0 } value ? value : null;
        double? Density(string name)
        {
            if (Value(name) is not { } text) return null;
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value is >= 0 and <= 1) return value;
            faults.Add($"{name} is '{text}'; it must be a share of the tokens, 0 to 1");
            return null;
        }
        bool? Switch(string name)
        {
            if (Value(name) is not { } text) return null;
            if (bool.TryParse(text, out bool value)) return value;
            faults.Add($"{name} is '{text}'; it must be true or false");
            return null;
        }
        string? adapter = Value("adapter");
        var sort = adapter is null ? FeatureColumn.Effect : FeatureColumn.Moved;
        if (Value("sort") is { } column && !(Enum.TryParse(column, ignoreCase: true, out sort) && Enum.IsDefined(sort) && !char.IsAsciiDigit(column[0])))
            faults.Add($"sort is '{column}'; it must be {string.Join(", ", Enum.GetNames<FeatureColumn>().Select(c => c.ToLowerInvariant()))}");
        int skip = 0;
        if (Value("skip") is { } passed && !(int.TryParse(passed, NumberStyles.None, CultureInfo.InvariantCulture, out skip))) faults.Add($"skip is '{passed}'; it must be a count, 0 or more");
        var query = new FeatureQuery
        {
            Text = (Value("query") ?? "").Trim(),
            Sort = sort,
            Descending = Switch("descending") ?? sort != FeatureColumn.Latent,
            MinDensity = Density("min_density"),
            MaxDensity = Density("max_density"),
            OnlyMoved = Switch("moved") ?? false,
            OnlyAlive = Switch("alive") ?? false,
            Adapter = adapter,
            Skip = skip,
        };
        if (query.Adapter is null && (query.OnlyMoved || query.Sort == FeatureColumn.Moved)) faults.Add("nothing is moved without an adapter; choose one");
        return faults.Count == 0 ? query : throw new ArgumentException(string.Join("; ", faults) + ".");
    }

    /// <summary>The same as part of an address, defaults left out; empty for all features.</summary>
    public string ToQuery()
    {
        var parts = new List<string>();
        void Add(string name, string value) => parts.Add($"{name}={Uri.EscapeDataString(value)}");
        if (Text.Length > 0) Add("query", Text);
        if (Sort != (Adapter is null ? FeatureColumn.Effect : FeatureColumn.Moved)) Add("sort", Sort.ToString().ToLowerInvariant());
        if (Descending != (Sort != FeatureColumn.Latent)) Add("descending", Descending ? "true" : "false");
        if (MinDensity is { } least) Add("min_density", least.ToString("R", CultureInfo.InvariantCulture));
        if (MaxDensity is { } most) Add("max_density", most.ToString("R", CultureInfo.InvariantCulture));
        if (OnlyMoved) Add("moved", "true");
        if (OnlyAlive) Add("alive", "true");
        if (Adapter is not null) Add("adapter", Adapter);
        if (Skip > 0) Add("skip", Skip.ToString(CultureInfo.InvariantCulture));
        return string.Join('&', parts);
    }

    /// <summary>The address of this list.</summary>
    public string Address => ToQuery() is { Length: > 0 } query ? "features?" + query : "features";

    /// <summary>The same sorted by another column; by the same one the other way round.</summary>
    public FeatureQuery By(FeatureColumn column) => this with { Sort = column, Descending = column == Sort ? !Descending : column != FeatureColumn.Latent, Skip = 0 };
}
