using System.Text.Json;

namespace Parsimony.Models;

/// <summary>Takes values out of a <c>config.json</c> and collects what is wrong with them, so that one error names every fault.</summary>
internal sealed class ConfigReader(JsonElement root)
{
    private readonly List<string> faults = [];

    /// <summary>A count that must be there, 1 or more.</summary>
    public int Count(string name)
    {
        if (!Has(name, out _)) faults.Add($"{name} is missing");
        return CountOr(name, 1);
    }

    /// <summary>A count, 1 or more, or its default.</summary>
    public int CountOr(string name, int otherwise)
    {
        if (!Has(name, out var value)) return otherwise;
        int number = 0;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out number) || number < 1)
            Refuse(name, value.GetRawText(), "it must be a whole number of 1 or more");
        return Math.Max(1, number);
    }

    /// <summary>A number, or its default.</summary>
    public double Number(string name, double otherwise)
    {
        if (!Has(name, out var value)) return otherwise;
        if (value.ValueKind == JsonValueKind.Number) return value.GetDouble();
        Refuse(name, value.GetRawText(), "it must be a number");
        return otherwise;
    }

    /// <summary>True or false, or its default.</summary>
    public bool Flag(string name, bool otherwise)
    {
        if (!Has(name, out var value)) return otherwise;
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False) return value.GetBoolean();
        Refuse(name, value.GetRawText(), "it must be true or false");
        return otherwise;
    }

    /// <summary>A text, or its default.</summary>
    public string Text(string name, string otherwise)
    {
        if (!Has(name, out var value)) return otherwise;
        if (value.ValueKind == JsonValueKind.String) return value.GetString()!;
        Refuse(name, value.GetRawText(), "it must be a text");
        return otherwise;
    }

    /// <summary>The MLP's nonlinearity.</summary>
    public MlpActivation Activation(string name, string otherwise)
    {
        switch (Text(name, otherwise))
        {
            case "gelu": return MlpActivation.Gelu;
            case "gelu_new" or "gelu_fast" or "gelu_pytorch_tanh": return MlpActivation.GeluTanh;
            case "relu": return MlpActivation.Relu;
            case "silu" or "swish": return MlpActivation.Silu;
            case var other:
                faults.Add($"{name} is '{other}'; supported: gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu");
                return default;
        }
    }

    /// <summary>The base of the rotary frequencies, under any of its names; scaled rotary embeddings are refused.</summary>
    public double RotaryBase(params ReadOnlySpan<string> names)
    {
        double found = 10000;
        foreach (string name in names) found = Number(name, found);
        foreach (string name in (string[])["rope_scaling", "rope_parameters"]) // the second is what transformers 5 writes
        {
            if (!Has(name, out var rope)) continue;
            var inner = new ConfigReader(rope);
            string type = rope.ValueKind == JsonValueKind.Object ? inner.Text("rope_type", inner.Text("type", "default")) : rope.GetRawText();
            if (type == "default") found = inner.Number("rope_theta", found);
            else faults.Add($"{name} is of type '{type}'; scaled rotary embeddings are not supported, only null or 'default' is");
        }
        return Positive(names[0], found);
    }

    /// <summary>A number above zero.</summary>
    public double Positive(string name, double value)
    {
        if (!(value > 0) || double.IsInfinity(value)) Refuse(name, FormattableString.Invariant($"{value}"), "it must be positive");
        return value;
    }

    /// <summary>Whether the file has a value of that name that is not null.</summary>
    public bool Has(string name, out JsonElement value)
    {
        value = default;
        return root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
    }

    /// <summary>Notes a fault where a condition does not hold.</summary>
    public void Require(bool holds, FormattableString fault)
    {
        if (!holds) faults.Add(FormattableString.Invariant(fault));
    }

    /// <exception cref="FormatException">There were faults; the message names all of them.</exception>
    public void ThrowIfFaulty()
    {
        if (faults.Count > 0) throw new FormatException(string.Join("; ", faults) + ".");
    }

    private void Refuse(string name, string value, string rule) => faults.Add($"{name} is {value}; {rule}");
}
