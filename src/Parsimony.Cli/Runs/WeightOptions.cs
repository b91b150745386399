using System.ComponentModel;
using Parsimony.Files;
using Parsimony.Models;
using Parsimony.Native;

namespace Parsimony.Cli.Runs;

/// <summary>How a command keeps the weights of its model.</summary>
internal sealed record WeightOptions
{
    private const double ShareOfFree = 0.6; // of the free memory; the rest is for activations, the SAE and what it needs to learn

    [Description("how the model's matrices are kept in memory: fp32 | bf16 | fp16 | int8 | nf4 | nf4_dq [default: as the SAE was trained, else as the folder is quantised, else fp32]")]
    public WeightStorage? Weights { get; init; }

    [Description("what the model's weights may take in memory, such as 6GiB; layers beyond it are streamed from the file each time they run [default: 60 % of what is free]")]
    public string? WeightMemory { get; init; }

    /// <summary>What is wrong with them; null: nothing.</summary>
    public string? Fault() => WeightMemory is null || ByteSize.TryParse(WeightMemory, out _) ? null : $"weight_memory is '{WeightMemory}'; it must be a size such as 6GiB";

    /// <summary>The most bytes for weights; null: no limit, on a GPU.</summary>
    /// <exception cref="ArgumentException">The size is none.</exception>
    public long? Bytes(string device) => Fault() is { } fault ? throw new ArgumentException(fault + ".")
        : WeightMemory is not null ? ByteSize.Parse(WeightMemory) : device == TorchDevice.Cpu ? (long)(ShareOfFree * MachineMemory.Available) : null;
}
