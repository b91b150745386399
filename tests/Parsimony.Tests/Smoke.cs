using Xunit;
namespace Parsimony.Tests;
public sealed class Smoke { [Fact] public void Torch_loads() => Parsimony.Native.TorchRuntime.EnsureLoaded(); }
