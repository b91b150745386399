using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Native;

/// <summary>
/// The few things that TorchSharp does not offer, through libtorch's stable C interface (torch/csrc/stable/c/shim.h, torch/csrc/inductor/aoti_torch/c/shim.h; libtorch 2.10 and later):
/// tensors over memory that is there already, and libtorch's own threads for our kernels.
/// </summary>
internal static unsafe partial class LibtorchAbi
{
    private const string Library = "torch_cpu";
    private const int Cpu = 0;

    /// <summary>A tensor over memory that somebody else owns and keeps for as long as the tensor, or a view of it, lives.</summary>
    /// <param name="data">Its first element.</param>
    /// <param name="type">Of the elements.</param>
    /// <param name="shape">Its axes; contiguous.</param>
    public static Tensor Over(void* data, ScalarType type, ReadOnlySpan<long> shape)
    {
        var strides = new long[shape.Length];
        for (long axis = shape.Length - 1, step = 1; axis >= 0; step *= shape[(int)axis], axis--) strides[axis] = step;
        fixed (long* sizes = shape, steps = strides)
        {
            Ensure(aoti_torch_create_tensor_from_blob(data, shape.Length, sizes, steps, 0, (int)type, Cpu, 0, out nint handle), "make a tensor over mapped memory");
            return Tensor.UnsafeCreateTensor(handle);
        }
    }

    /// <summary>A contiguous tensor's first element. Valid while the tensor lives.</summary>
    public static void* Pointer(Tensor t)
    {
        if (t.device_type != DeviceType.CPU || !t.is_contiguous()) throw new ArgumentException(
            $"a kernel needs a contiguous tensor on the CPU, not {t.dtype} [{string.Join(", ", t.shape)}] on {t.device}.");
        Ensure(torch_get_mutable_data_ptr(t.Handle, out void* data), "find a tensor's memory");
        return data;
    }

    /// <summary>Shares out the numbers 0 to <paramref name="count"/> - 1 among libtorch's own threads, in ranges.</summary>
    /// <param name="count">How many numbers.</param>
    /// <param name="grain">Numbers that are not worth a second thread.</param>
    /// <param name="range">Called with (first, behind the last, context); must not throw.</param>
    /// <param name="context">What it needs.</param>
    public static void Parallel(long count, long grain, delegate* unmanaged<long, long, void*, void> range, void* context) =>
        Ensure(torch_parallel_for(0, count, grain, range, context), "run a kernel on its threads");

    /// <summary>libtorch's own version, such as <c>2.10</c>; TorchSharp's <c>__version__</c> is the one that it was made for.</summary>
    public static string Version => VersionText(aoti_torch_abi_version());

    /// <summary>Major and minor of the number that <c>aoti_torch_abi_version</c> gives.</summary>
    public static string VersionText(ulong version) => $"{version >> 56}.{(version >> 48) & 255}";

    private static void Ensure(int code, string what)
    {
        if (code != 0) throw new InvalidOperationException($"libtorch could not {what}; it says why on standard error.");
    }

    [LibraryImport(Library)]
    private static partial ulong aoti_torch_abi_version();

    [LibraryImport(Library)]
    private static partial int aoti_torch_create_tensor_from_blob(
        void* data, long axes, long* sizes, long* strides, long offset, int type, int deviceType, int deviceIndex, out nint tensor);

    [LibraryImport(Library)]
    private static partial int torch_get_mutable_data_ptr(nint tensor, out void* data);

    [LibraryImport(Library)]
    private static partial int torch_parallel_for(long first, long end, long grain, delegate* unmanaged<long, long, void*, void> range, void* context);
}
