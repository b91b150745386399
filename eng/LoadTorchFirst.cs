using System.Runtime.CompilerServices;

/// <summary>
/// Compiled into every assembly that uses the library: a module initialiser runs when the first member of its own assembly
/// is used, so code that touches TorchSharp before it touches Parsimony would otherwise miss the loader (docs/native.md).
/// </summary>
file static class LoadTorchFirst
{
    [ModuleInitializer]
    internal static void Now() => Parsimony.Native.TorchRuntime.Prepare();
}
