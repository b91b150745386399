using Parsimony.Native;

namespace Parsimony.Cli.Runs;

/// <summary>What commands with <c>--device</c> have in common.</summary>
internal static class DeviceOption
{
    /// <summary>The option in words.</summary>
    public const string Text = "where the model and the SAE run: cpu | cuda | cuda:N (a GPU, with a libtorch that has CUDA)";

    /// <summary>Refuses a name that no device has.</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static void Ensure(string device)
    {
        if (TorchDevice.Fault(device) is { } fault) throw new ArgumentException(fault + ".");
    }
}
