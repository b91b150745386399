using System.Net;

namespace Parsimony.Explorer;

/// <summary>Where the explorer listens and what it may do.</summary>
public sealed record ExplorerOptions
{
    /// <summary>The usual port.</summary>
    public const int DefaultPort = 5170;

    /// <summary>Port on the address; 0 takes any that is free. Default 5170.</summary>
    public int Port { get; init; } = DefaultPort;

    /// <summary>Address to listen on. Default 127.0.0.1: this machine alone. Another one has to be asked for; whoever reaches it may use the model and write labels.</summary>
    public string Address { get; init; } = "127.0.0.1";

    /// <summary>Names under which it may be asked for besides localhost, 127.0.0.1, [::1] and <see cref="Address"/>. A request for any other name is refused: a page elsewhere
    /// could have made its own name point here (DNS rebinding).</summary>
    public IReadOnlyList<string> HostNames { get; init; } = [];

    /// <summary>Whether labels, stars and steered adapters can not be saved.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>New tokens of one generation at most; default 512.</summary>
    public int MaxNewTokens { get; init; } = 512;

    /// <summary>These options, or one error that names every fault.</summary>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public ExplorerOptions Validated()
    {
        var faults = new List<string>();
        if (Port is < 0 or > 65535) faults.Add($"port is {Port}; it must be 0 (any that is free) to 65535");
        if (!IPAddress.TryParse(Address, out _)) faults.Add($"address is '{Address}'; it must be an address of this machine, such as 127.0.0.1 or 0.0.0.0");
        if (MaxNewTokens < 1) faults.Add($"max_new_tokens is {MaxNewTokens}; it must be 1 or more");
        return faults.Count == 0 ? this : throw new ArgumentException(string.Join("; ", faults) + ".");
    }
}
