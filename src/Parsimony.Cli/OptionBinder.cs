using System.CommandLine;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Parsimony.Files;

namespace Parsimony.Cli;

/// <summary>
/// Makes an options record the command line: defaults, then the --config file over them, then flags over both, all as one JSON
/// object that is read into the record. A flag is the kebab-case name of a property; a record inside the record lends its
/// properties as flags too. Where two share a name, the flags carry the inner record's name in front; but there is one seed.
/// </summary>
internal sealed class OptionBinder<T> where T : class
{
    private const string Seed = "seed";
    private readonly T defaults = Activator.CreateInstance<T>();
    private readonly List<Flag> flags = [];

    /// <summary>Reads the record's properties.</summary>
    public OptionBinder()
    {
        var leaves = Leaves(Json.Options.GetTypeInfo(typeof(T)), defaults, []).ToList();
        foreach (var group in leaves.GroupBy(leaf => leaf.Path[^1]))
        {
            if (group.Key == Seed) flags.Add(new Flag(group.First(), group.Key, [.. group.Select(leaf => leaf.Path)]));
            else if (group.Count() == 1) flags.Add(new Flag(group.First(), group.Key, [group.First().Path]));
            else foreach (var leaf in group) flags.Add(new Flag(leaf, string.Join('_', leaf.Path), [leaf.Path]));
        }
    }

    /// <summary>Adds the flags and arguments to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (var flag in flags)
        {
            if (flag.Argument is not null) command.Add(flag.Argument);
            else command.Add(flag.Option!);
        }
    }

    /// <summary>The record that a command line and its configuration file say.</summary>
    /// <exception cref="FileNotFoundException">There is no such configuration file.</exception>
    /// <exception cref="UsageException">A key or value is unknown, missing, or out of its range.</exception>
    /// <param name="parse">The command line.</param>
    /// <param name="configPath">The --config file; null: none.</param>
    /// <param name="over">Further options, over that file and under the flags; null: none.</param>
    /// <param name="source">Where those came from, for messages.</param>
    public T Bind(ParseResult parse, string? configPath, JsonObject? over = null, string? source = null)
    {
        if (configPath is not null && !File.Exists(configPath))
            throw new FileNotFoundException($"'{configPath}' does not exist; {CliCommand.ConfigFlag} expects a JSON file.");
        try
        {
            var json = JsonSerializer.SerializeToNode(defaults, Json.Options)!.AsObject();
            foreach (var flag in flags.Where(f => f.Required))
                foreach (string[] path in flag.Paths) Parent(json, path).Remove(path[^1]);
            if (configPath is not null) Overlay(json, Json.ParseObject(File.ReadAllText(configPath), configPath));
            if (over is not null) Overlay(json, over);
            foreach (var flag in flags)
                if (flag.Given(parse, out var value))
                    foreach (string[] path in flag.Paths) Parent(json, path)[path[^1]] = value?.DeepClone();

            var missing = flags.Where(f => f.Required && f.Paths.Any(p => Parent(json, p)[p[^1]] is null)).Select(f => f.Label).ToList();
            if (missing.Count > 0)
                throw new UsageException(
                    $"{string.Join(", ", missing)} must be given, on the command line or as a key of a {CliCommand.ConfigFlag} file.");
            return Validated(Json.Parse<T>(json, source ?? configPath ?? "options"));
        }
        catch (InvalidDataException e)
        {
            throw new UsageException(e.Message);
        }
        catch (ArgumentException e)
        {
            throw new UsageException(ErrorSentence.Of(e));
        }
    }

    private static IEnumerable<OptionLeaf> Leaves(JsonTypeInfo type, object? defaults, string[] path)
    {
        foreach (var property in type.Properties.Where(p => p.Set is not null))
        {
            string[] here = [.. path, property.Name];
            var inner = Json.Options.GetTypeInfo(property.PropertyType);
            object? value = defaults is null ? null : property.Get?.Invoke(defaults);
            if (inner.Kind != JsonTypeInfoKind.Object) yield return new(property, inner, value, here);
            else foreach (var leaf in Leaves(inner, value, here)) yield return leaf;
        }
    }

    private static void Overlay(JsonObject under, JsonObject over)
    {
        foreach (var (key, value) in over)
        {
            if (value is JsonObject inner && under[key] is JsonObject existing) Overlay(existing, inner);
            else under[key] = value?.DeepClone();
        }
    }

    private static JsonObject Parent(JsonObject json, string[] path)
    {
        foreach (string key in path[..^1])
        {
            if (json[key] is not JsonObject inner) json[key] = inner = [];
            json = inner;
        }
        return json;
    }

    /// <summary>Calls the record's own <c>Validated()</c>, and those of the records in it.</summary>
    private static T Validated(T options)
    {
        var faults = new List<string>();
        var inner = Json.Options.GetTypeInfo(typeof(T)).Properties.Select(p => p.Get?.Invoke(options)).OfType<object>();
        foreach (object part in inner.Prepend(options))
        {
            try
            {
                part.GetType().GetMethod("Validated", [])?.Invoke(part, BindingFlags.DoNotWrapExceptions, null, null, null);
            }
            catch (ArgumentException e)
            {
                faults.Add(ErrorSentence.Of(e));
            }
        }
        return faults.Count == 0 ? options : throw new UsageException(string.Join(" ", faults.Distinct()));
    }
}

/// <summary>A property that holds a value: its JSON shape, its default, and the keys that lead to it.</summary>
internal readonly record struct OptionLeaf(JsonPropertyInfo Property, JsonTypeInfo Value, object? Default, string[] Path);
