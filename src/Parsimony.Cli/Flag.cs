using System.CommandLine;
using System.CommandLine.Parsing;
using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Parsimony.Files;

namespace Parsimony.Cli;

/// <summary>One property of an options record as a flag (or an argument) and as a JSON value.</summary>
internal sealed class Flag
{
    private readonly Type type; // of one value: an array's element, without the null

    /// <summary>Makes the flag of a property.</summary>
    /// <param name="leaf">The property.</param>
    /// <param name="name">The flag's name, in snake_case.</param>
    /// <param name="paths">Where in the JSON its value goes.</param>
    public Flag(OptionLeaf leaf, string name, string[][] paths)
    {
        var (property, valueType, defaultValue, _) = leaf;
        Paths = paths;
        Required = property.IsRequired;
        bool many = valueType.Kind == JsonTypeInfoKind.Enumerable;
        Type element = many ? valueType.ElementType! : property.PropertyType;
        CanBeNone = !many && property.IsSetNullable;
        type = Nullable.GetUnderlyingType(element) ?? element;
        Many = many;

        string description = property.AttributeProvider?.GetCustomAttributes(typeof(DescriptionAttribute), inherit: false)
            .Cast<DescriptionAttribute>().FirstOrDefault()?.Description ?? "";
        if (Required) description += " [required]";
        else if (defaultValue is not null && !(many || defaultValue is "" or false))
            description += $" [default: {JsonSerializer.SerializeToNode(defaultValue, valueType.Type, Json.Options)}]";

        if (property.AttributeProvider?.IsDefined(typeof(PositionalAttribute), inherit: false) == true)
        {
            Label = name.ToUpperInvariant();
            Argument = many ? new Argument<string[]>(Label) { Arity = ArgumentArity.ZeroOrMore }
                : new Argument<string>(Label) { Arity = ArgumentArity.ZeroOrOne }; // not ExactlyOne: the --config file may say it
            Argument.Description = description;
            return;
        }
        Label = "--" + name.Replace('_', '-');
        // A true bool option takes a following "true" or "false" only, never an argument that stands behind it.
        Option = type == typeof(bool) && !many ? new Option<bool>(Label)
            : many ? new Option<string[]>(Label) { Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = true }
            : new Option<string>(Label);
        Option.Description = description;
        if (Option is not Option<bool>) Option.HelpName = Placeholder;
        else if (defaultValue is true) Option.HelpName = "true|false"; // alone it would say nothing
    }

    /// <summary>Where in the JSON its value goes; more than one place for the seed.</summary>
    public string[][] Paths { get; }

    /// <summary>Whether it must be given.</summary>
    public bool Required { get; }

    /// <summary>Its name on the command line.</summary>
    public string Label { get; }

    /// <summary>The flag; null for an argument.</summary>
    public Option? Option { get; }

    /// <summary>The argument; null for a flag.</summary>
    public Argument? Argument { get; }

    private bool Many { get; }

    private bool CanBeNone { get; }

    private string Placeholder => type switch
    {
        { IsEnum: true } => string.Join("|", EnumNames),
        _ when type == typeof(int) || type == typeof(long) || type == typeof(double) || type == typeof(float) => "number",
        _ => "text",
    };

    private IEnumerable<string> EnumNames => Enum.GetNames(type).Select(JsonNamingPolicy.SnakeCaseLower.ConvertName);

    /// <summary>Whether it stands on the command line, and its value as JSON.</summary>
    /// <exception cref="UsageException">The value is not of the property's type.</exception>
    public bool Given(ParseResult parse, out JsonNode? value)
    {
        IReadOnlyList<Token>? tokens = Option is not null
            ? parse.GetResult(Option) is { Implicit: false } option ? option.Tokens : null
            : parse.GetResult(Argument!) is { Tokens.Count: > 0 } argument ? argument.Tokens : null;
        value = null;
        if (tokens is null) return false;
        if (Many) value = new JsonArray([.. tokens.Select(t => Value(t.Value))]);
        else value = tokens.Count == 0 ? JsonValue.Create(true) : Value(tokens[^1].Value);
        return true;
    }

    private JsonNode? Value(string text)
    {
        if (CanBeNone && text is "none") return null;
        JsonNode? node = null;
        if (type.IsEnum) node = EnumNames.Contains(text.Replace('-', '_')) ? text.Replace('-', '_') : null;
        else if (type == typeof(bool)) node = bool.TryParse(text, out bool truth) ? JsonValue.Create(truth) : null;
        else if (type == typeof(int) || type == typeof(long))
            node = Whole(text, type == typeof(int) ? int.MaxValue : long.MaxValue) is { } whole ? JsonValue.Create(whole) : null;
        else if (type == typeof(double) || type == typeof(float)) node = Finite(text) is { } number ? JsonValue.Create(number) : null;
        else node = text;
        return node ?? throw new UsageException($"{Label} is '{text}'; expected {JsonShape.Expected(type)}.");
    }

    private static long? Whole(string text, long largest) => // 1e6 is a whole number too
        decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out decimal n) && n == Math.Floor(n) && Math.Abs(n) <= largest
            ? (long)n : null;

    private static double? Finite(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double n) && double.IsFinite(n) ? n : null;
}
