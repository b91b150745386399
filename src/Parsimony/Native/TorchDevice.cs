using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Native;

/// <summary>Where tensors live and are worked on: <c>cpu</c>, <c>cuda</c> (the first GPU) or <c>cuda:N</c>.</summary>
public static class TorchDevice
{
    /// <summary>The default: the processor.</summary>
    public const string Cpu = "cpu";

    private const string Cuda = "cuda";

    /// <summary>What is wrong with a device's name; null: nothing. Does not ask whether the device is there.</summary>
    public static string? Fault(string name) => name is Cpu or Cuda || Number(name) is not null ? null : $"device is '{name}'; allowed: cpu, cuda (the first GPU), cuda:N";

    /// <summary>The device of a name.</summary>
    /// <param name="name"><c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</param>
    /// <exception cref="ArgumentException">Another name.</exception>
    /// <exception cref="InvalidOperationException">libtorch does not have it here; the message says what there is and what to do.</exception>
    public static Device Of(string name)
    {
        if (Fault(name) is { } fault) throw new ArgumentException(fault + ".");
        if (name == Cpu) return CPU;
        int number = Number(name) ?? 0;
        int count = cuda.is_available() ? cuda.device_count() : 0;
        if (number < count) return new Device(DeviceType.CUDA, number);
        throw new InvalidOperationException(count > 0
            ? $"device is {name}; there are {count} GPUs, cuda:0 to cuda:{count - 1}."
            : $"device is {name}, but there is no GPU that this libtorch can use ({TorchRuntime.Status}). Use --device cpu, or, on a machine with an NVIDIA GPU, "
                + $"set {TorchLoader.FolderVariable} to the lib folder of a PyTorch 2.10 with CUDA (docs/native.md).");
    }

    /// <summary>The tensor on a device: itself where it is there already. To a GPU it goes by way of locked memory, so that nobody waits for the copy.</summary>
    /// <param name="t">Stays the caller's.</param>
    /// <param name="device">Where to.</param>
    public static Tensor Move(Tensor t, Device device)
    {
        if (t.device_type == device.type && (device.type == DeviceType.CPU || t.device_index == device.index)) return t;
        if (t.device_type != DeviceType.CPU || device.type != DeviceType.CUDA) return t.to(device);
        using var locked = t.pin_memory();
        return locked.to(device, non_blocking: true);
    }

    private static int? Number(string name) => name.StartsWith(Cuda + ":", StringComparison.Ordinal)
        && int.TryParse(name.AsSpan(Cuda.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
