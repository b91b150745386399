using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>A head on disk: <c>reward_config.json</c>, <c>reward_head.safetensors</c> (<c>weight [outputs, width]</c>, <c>bias [outputs]</c>) and <c>README.md</c>, the
/// model card.</summary>
public static class RewardHeadFolder
{
    /// <summary>The folder of it in a run folder.</summary>
    public const string InRunFolder = "reward-model";

    private const string ConfigName = "reward_config.json", WeightsName = "reward_head.safetensors";

    /// <summary>Writes the folder; each file appears whole or not at all, the config last.</summary>
    /// <exception cref="ArgumentException">The config is of another number of outputs than the head.</exception>
    public static void Save(string folder, RewardHead head, RewardHeadConfig config)
    {
        int outputs = Math.Max(1, config.Classes.Count);
        if (outputs != head.Outputs || config.Gain.Count != outputs || config.Offset.Count != outputs) throw new ArgumentException(
            $"the config has {config.Classes.Count} classes, {config.Gain.Count} gains and {config.Offset.Count} offsets; the head has {head.Outputs} outputs.", nameof(config));
        using (no_grad())
            SafetensorsFile.Write(Path.Combine(folder, WeightsName), new Dictionary<string, Tensor> { ["weight"] = head.Weight, ["bias"] = head.Bias });
        AtomicFile.WriteText(Path.Combine(folder, "README.md"), RewardHeadCard.Write(head, config));
        Json.Save(Path.Combine(folder, ConfigName), config);
    }

    /// <summary>Reads a folder, or the one in a run folder, whatever model it is for: <see cref="RewardHeadConfig.EnsureFits"/> says whether it is for one at hand.</summary>
    /// <returns>The head, owned by the caller, and what it belongs to.</returns>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">The files are damaged, do not agree, or hold what is not finite.</exception>
    public static (RewardHead Head, RewardHeadConfig Config) Load(string folder)
    {
        if (!File.Exists(Path.Combine(folder, ConfigName)) && Directory.Exists(Path.Combine(folder, InRunFolder))) folder = Path.Combine(folder, InRunFolder);
        var config = Json.Load<RewardHeadConfig>(Existing(folder, ConfigName));
        string path = Existing(folder, WeightsName);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var file = SafetensorsFile.Open(path);
        int outputs = Math.Max(1, config.Classes.Count);
        if (!file.Contains("weight") || !file.Contains("bias") || file.Tensors["weight"].Shape is not [var rows, > 0] || rows != outputs
            || !file.Tensors["bias"].Shape.AsSpan().SequenceEqual([outputs]) || config.Gain.Count != outputs || config.Offset.Count != outputs)
            throw new InvalidDataException($"'{path}' must hold 'weight' [{outputs}, width] and 'bias' [{outputs}], as its {ConfigName} says, which needs as many gains and offsets; it holds "
                + string.Join(", ", file.Tensors.Select(t => $"'{t.Key}' [{string.Join(", ", t.Value.Shape)}]")) + ".");
        var (weight, bias) = (file.Read("weight", ScalarType.Float32), file.Read("bias", ScalarType.Float32));
        if (!config.Gain.Concat(config.Offset).All(double.IsFinite) || !weight.isfinite().all().item<bool>() || !bias.isfinite().all().item<bool>())
            throw new InvalidDataException($"the reward model in '{folder}' has numbers that are not finite. Learn it anew.");
        return (RewardHead.Of(weight, bias), config);
    }

    private static string Existing(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path) ? path : throw new FileNotFoundException(
            $"'{folder}' holds no {name}. A reward model's folder has {ConfigName}, {WeightsName} and README.md; 'parsimony reward-model' makes one.", path);
    }
}
