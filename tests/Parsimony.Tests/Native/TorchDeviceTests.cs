using Parsimony.Native;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Native;

public sealed class TorchDeviceTests
{
    [Theory]
    [InlineData("cpu", null)]
    [InlineData("cuda", null)]
    [InlineData("cuda:0", null)]
    [InlineData("cuda:12", null)]
    [InlineData("gpu", "device is 'gpu'; allowed: cpu, cuda (the first GPU), cuda:N")]
    [InlineData("cuda:", "device is 'cuda:'")]
    [InlineData("cuda:-1", "device is 'cuda:-1'")]
    [InlineData("CUDA", "device is 'CUDA'")]
    public void A_name_is_known_or_refused(string name, string? says)
    {
        string? fault = TorchDevice.Fault(name);
        if (says is null) Assert.Null(fault);
        else Assert.StartsWith(says, fault, StringComparison.Ordinal);
        if (says is not null) Assert.Contains(says, Assert.Throws<ArgumentException>(() => TorchDevice.Of(name)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_GPU_that_is_not_there_is_one_sentence_with_a_way_out()
    {
        Assert.SkipWhen(cuda.is_available(), "there is a GPU");
        string message = Assert.Throws<InvalidOperationException>(() => TorchDevice.Of("cuda:1")).Message;
        Assert.Contains("device is cuda:1, but there is no GPU that this libtorch can use (libtorch: bundled", message, StringComparison.Ordinal);
        Assert.Contains("Use --device cpu", message, StringComparison.Ordinal);
        Assert.Contains("PARSIMONY_TORCH_LIB", message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_there_already_is_not_copied()
    {
        using var t = zeros(3);
        Assert.Same(t, TorchDevice.Move(t, TorchDevice.Of("cpu")));
        using var away = TorchDevice.Move(t, new Device("meta"));
        Assert.Equal(DeviceType.META, away.device_type);
    }
}
