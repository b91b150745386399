namespace Parsimony.Training;

/// <summary>Collects everything that is wrong with options, so that one error names it all.</summary>
internal sealed class OptionFaults
{
    private readonly List<string> faults = [];

    /// <summary>Adds a fault unless the value is good.</summary>
    /// <param name="good">Whether it is.</param>
    /// <param name="name">The option, in snake_case.</param>
    /// <param name="value">Its value.</param>
    /// <param name="allowed">What would be good.</param>
    public void Check(bool good, string name, object? value, string allowed)
    {
        if (!good) faults.Add($"{name} is {value ?? "null"}; allowed: {allowed}");
    }

    /// <summary>Throws when there is a fault.</summary>
    /// <exception cref="ArgumentException">Names every fault.</exception>
    public void ThrowIfAny(string what)
    {
        if (faults.Count > 0) throw new ArgumentException($"{what} are wrong: {string.Join("; ", faults)}.");
    }
}
