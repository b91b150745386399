using Parsimony.Native;
using Xunit;

namespace Parsimony.Tests.Native;

public sealed class TorchRuntimeTests
{
    [Fact]
    public void Libtorch_loads_on_this_system() => TorchRuntime.EnsureLoaded();

    [Fact]
    public void The_doctor_names_the_torch_version() =>
        Assert.Contains(TorchRuntime.Describe(), fact => fact.Key == "torch_version" && fact.Value.StartsWith("2.10", StringComparison.Ordinal));
}
