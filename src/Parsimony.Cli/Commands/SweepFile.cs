using System.Text.Json;
using System.Text.Json.Nodes;
using Parsimony.Activations;
using Parsimony.Cli.Runs;
using Parsimony.Files;
using Parsimony.Text;

namespace Parsimony.Cli.Commands;

/// <summary>One SAE of a sweep.</summary>
/// <param name="Name">Its run folder's name inside the sweep's.</param>
/// <param name="Options">As if it were trained alone.</param>
/// <param name="Varied">What the sweep set for it, as text.</param>
internal sealed record SweepMember(string Name, TrainOptions Options, IReadOnlyDictionary<string, string> Varied);

/// <summary>What a sweep's file asks for.</summary>
/// <param name="Common">The options all have in common.</param>
/// <param name="Members">The SAEs.</param>
/// <param name="Evaluate">How all of them are evaluated at the end; null: they are not.</param>
internal sealed record Sweep(TrainOptions Common, IReadOnlyList<SweepMember> Members, EvaluateOptions? Evaluate);

/// <summary>
/// The JSON of <c>parsimony train sweep.json</c>: the keys of a configuration of <c>train</c>, for all; <c>grid</c>, lists of values whose every
/// combination is an SAE; <c>runs</c>, a list of objects, each an SAE (or, with a grid, a whole grid); <c>evaluate</c>, options of <c>parsimony evaluate</c> for all of them.
/// </summary>
internal static class SweepFile
{
    private const string Grid = "grid", Runs = "runs", Name = "name", Sae = "sae", Evaluate = "evaluate";

    /// <summary>Keys that all SAEs of a sweep share, because they share the stream.</summary>
    private static readonly string[] Shared = ["model", "adapter", "adapter_sha256", "text", "cache", "out", "sequence_length", "held_out_fraction", "device", "load", "plan", "sweep"];

    /// <summary>The options of a file that names no more than one SAE: one without <c>grid</c>, <c>runs</c> and <c>evaluate</c>. Null where it is a sweep.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bind">As for <see cref="Read"/>.</param>
    /// <exception cref="UsageException">As for <see cref="Read"/>.</exception>
    public static TrainOptions? SingleOrNull(string path, Func<JsonObject, string, TrainOptions> bind)
    {
        try
        {
            var json = Parsed(path);
            return json.ContainsKey(Grid) || json.ContainsKey(Runs) || json.ContainsKey(Evaluate) ? null : (bind(json, path) with { Sweep = null }).Validated();
        }
        catch (InvalidDataException e)
        {
            throw new UsageException(e.Message);
        }
        catch (ArgumentException e)
        {
            throw new UsageException($"{path}: {ErrorSentence.Of(e)}");
        }
    }

    /// <summary>Reads a sweep.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bind">Puts the command line's flags over the common keys, and checks the result.</param>
    /// <exception cref="UsageException">A key is unknown, a value of another type or out of range, or no SAE or one twice is named.</exception>
    public static Sweep Read(string path, Func<JsonObject, string, TrainOptions> bind)
    {
        try
        {
            var json = Parsed(path);
            var (grid, runs) = (Take<JsonObject>(json, Grid, path, "an object of lists"), Take<JsonArray>(json, Runs, path, "a list of objects"));
            if (grid is null && runs is null) throw new InvalidDataException(
                $"{path} names no SAEs. Give \"{Grid}\": {{\"l1_coefficient\": [0.01, 0.02]}}, or \"{Runs}\": [{{\"l1_coefficient\": 0.01}}, ...], or both.");
            var evaluate = Take<JsonObject>(json, Evaluate, path, "an object with the options of 'parsimony evaluate'");
            var common = bind(json, path);
            var template = JsonSerializer.SerializeToNode(common with { Sweep = null, Plan = false }, Json.Options)!.AsObject();
            var members = Choices(runs, grid, path).Select(choice => Member(choice, grid, template, common.Out, path)).ToList();
            foreach (var twice in members.GroupBy(m => m.Name).Where(g => g.Count() > 1))
                throw new InvalidDataException($"{path} names the SAE '{twice.Key}' {twice.Count()} times; each must differ from the others, or have another \"{Name}\".");
            return new Sweep(common, members, evaluate is null ? null : Evaluation(evaluate, common, path));
        }
        catch (InvalidDataException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static JsonObject Parsed(string path) => File.Exists(path) ? Json.ParseObject(File.ReadAllText(path), path)
        : throw new FileNotFoundException($"'{path}' does not exist; expected a JSON file with the options of one SAE or of a sweep.", path);

    private static EvaluateOptions Evaluation(JsonObject json, TrainOptions common, string path)
    {
        foreach (string own in (string[])["sae", "out", "hook"])
            if (json.ContainsKey(own)) throw new InvalidDataException($"{path}: {Evaluate}.{own} is given; each SAE of the sweep has its own. Leave it out.");
        if (json["text"] is not { } text)
        {
            if ((common.Cache is null ? common.HeldOutFraction : ActivationCacheManifest.Load(common.Cache).HeldOutFraction) == 0) throw new InvalidDataException(
                $"{path}: {Evaluate} has no \"text\"; name the held-out text to evaluate on, or hold out a part of the training text (\"held_out_fraction\").");
        }
        else
        {
            try
            {
                LoadedModel.OpenText(text.ToString(), new TextOptions());
            }
            catch (Exception e) when (e is FileNotFoundException or ArgumentException)
            {
                throw new InvalidDataException($"{path}: {Evaluate}.text: {e.Message}");
            }
        }
        json["sae"] = common.Out;
        if (!json.ContainsKey("device")) json["device"] = common.Device;
        try
        {
            return Json.Parse<EvaluateOptions>(json, $"{path}, {Evaluate}").Validated();
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"{path}, {Evaluate}: {ErrorSentence.Of(e)}");
        }
    }

    /// <summary>Every run with every combination of the grid, in the order of the file; the last key of the grid changes fastest.</summary>
    private static IEnumerable<List<KeyValuePair<string, JsonNode?>>> Choices(JsonArray? runs, JsonObject? grid, string path)
    {
        IEnumerable<List<KeyValuePair<string, JsonNode?>>> choices = runs is null ? [[]]
            : runs.Select(run => run is JsonObject keys ? keys.ToList() : throw new InvalidDataException($"{path}: {Runs} holds {run?.ToJsonString() ?? "null"}; expected objects."));
        foreach (var (key, values) in grid ?? [])
        {
            if (values is not JsonArray { Count: > 0 } list)
                throw new InvalidDataException($"{path}: {Grid}.{key} is {values?.ToJsonString() ?? "null"}; expected a list of values.");
            choices = [.. choices.SelectMany(choice => list.Select(value => (List<KeyValuePair<string, JsonNode?>>)[.. choice, new(key, value)]))];
        }
        return choices;
    }

    private static SweepMember Member(List<KeyValuePair<string, JsonNode?>> choice, JsonObject? grid, JsonObject template, string folder, string path)
    {
        var json = template.DeepClone().AsObject();
        string? name = null;
        var varied = new Dictionary<string, string>();
        foreach (var (key, value) in choice)
        {
            if (key == Name)
            {
                name = value?.ToString();
                continue;
            }
            string[] place = Place(key, template, path);
            JsonObject parent = json;
            foreach (string step in place[..^1]) parent = parent[step]!.AsObject();
            parent[place[^1]] = value?.DeepClone();
            varied[key] = value is JsonValue plain ? plain.ToString() : value?.ToJsonString(Json.Line) ?? "none";
        }
        // A name of its own stands for what the run sets, not for what the grid does.
        var named = varied.Where(v => name is null || grid?.ContainsKey(v.Key) == true).Select(v => $"{v.Key}-{v.Value}");
        name = Safe(string.Join("_", name is null ? named : named.Prepend(name)));
        if (name.Length == 0) throw new InvalidDataException($"{path}: an SAE of {Runs} sets nothing; give it a key of its own, or a \"{Name}\".");
        json["out"] = Path.Combine(folder, name);
        try
        {
            var options = Json.Parse<TrainOptions>(json, $"{path}, {name}").Validated();
            options.Sae.Validated();
            return new SweepMember(name, options, varied);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"{path}, {name}: {ErrorSentence.Of(e)}");
        }
    }

    /// <summary>Where a key of the grid belongs: a key under <c>sae</c>, however deep (with the keys above it where it is not the only one of that name), or a
    /// key of the command that SAEs need not share, such as <c>hook</c>.</summary>
    private static string[] Place(string key, JsonObject template, string path)
    {
        var places = template.Where(p => p.Value is not JsonObject && !Shared.Contains(p.Key)).Select(p => (string[])[p.Key])
            .Concat(Leaves(template[Sae]!.AsObject(), [Sae])).ToList();
        var found = places.Where(p => p[^1] == key || $".{string.Join('.', p)}".EndsWith($".{key}", StringComparison.Ordinal)).ToList();
        return found.Count == 1 ? found[0] : throw new InvalidDataException(found.Count > 1
            ? $"{path}: '{key}' is a key in {found.Count} places. Write one of {string.Join(", ", found.Select(p => string.Join('.', p)))}."
            : $"{path}: '{key}' is not a key in which SAEs of a sweep may differ.{JsonShape.Suggest(key, places.Select(p => p[^1]).Distinct())}");
    }

    private static IEnumerable<string[]> Leaves(JsonObject json, string[] above) => json.SelectMany(p =>
        p.Value is JsonObject inner ? Leaves(inner, [.. above, p.Key]) : [[.. above, p.Key]]);

    private static T? Take<T>(JsonObject json, string key, string path, string expected) where T : JsonNode
    {
        if (!json.Remove(key, out var value)) return null;
        return value as T ?? throw new InvalidDataException($"{path}: {key} is {value?.ToJsonString() ?? "null"}; expected {expected}.");
    }

    private static string Safe(string name) => string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '-')).Trim('.', '-');
}
