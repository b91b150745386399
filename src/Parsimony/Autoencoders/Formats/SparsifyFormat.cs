using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>sparsify: <c>cfg.json</c> and <c>sae.safetensors</c> (<c>encoder.weight [d_sae, d_in]</c>, <c>encoder.bias</c>, <c>W_dec [d_sae, d_in]</c>, <c>b_dec</c>, <c>W_skip [d_in, d_in]</c>) in a folder named
/// after the module it was trained on. Always TopK; a transcoder does not take b_dec off its input.</summary>
internal static class SparsifyFormat
{
    public const string WeightsFile = "sae.safetensors";
    private const string ConfigFile = "cfg.json", HookKey = "hookpoint";

    public static bool Is(string path) => File.Exists(Path.Combine(path, ConfigFile)) && File.Exists(Path.Combine(path, WeightsFile));

    public static StoredSae Read(string folder)
    {
        string config = Path.Combine(folder, ConfigFile);
        var cfg = Json.ParseObject(File.ReadAllText(config), config);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var file = SafetensorsFile.Open(Path.Combine(folder, WeightsFile));
        var tensors = NamedTensors.Of(file);
        int dIn = Whole(cfg, "d_in", config) is > 0 and var width ? width : tensors.Axis("encoder.weight", 1);
        int dSae = Whole(cfg, "num_latents", config) is > 0 and var latents ? latents : dIn * Whole(cfg, "expansion_factor", config); // 0 is "the default"
        int k = Whole(cfg, "k", config);
        bool transcode = Flag(cfg, "transcode"), skip = Flag(cfg, "skip_connection");
        if ((string?)cfg["activation"] is { } activation and not "topk") throw new InvalidDataException($"{config} has activation '{activation}'; only 'topk' is read.");
        if (Flag(cfg, "signed")) throw new InvalidDataException($"{config} has signed latents; here latents are nowhere negative.");
        if (k < 1 || k > dSae) throw new InvalidDataException($"{config} says k = {k}; expected 1 to num_latents = {dSae}.");
        if (skip && !transcode) throw new InvalidDataException($"{config} has a skip_connection without transcode; a skip connection is read for transcoders only.");
        Tensor wEnc = tensors.Read("encoder.weight", dSae, dIn).t(), bEnc = tensors.Read("encoder.bias", dSae);
        Tensor wDec = tensors.Read("W_dec", dSae, dIn), bDec = tensors.Read("b_dec", dIn);
        ISparseAutoencoder sae = transcode
            ? new Transcoder(wEnc, wDec, bEnc, bDec, skip ? tensors.Read("W_skip", dIn, dIn).t() : null, k)
            : new TopKSae(wEnc, wDec, bEnc, bDec, k);
        tensors.ExpectNoOthers("a sparsify SAE");
        string module = (string?)cfg[HookKey] ?? Path.GetFileName(Path.GetFullPath(folder));
        var output = ModuleNames.Hook(module);
        return new StoredSae
        {
            Sae = sae,
            HookName = module,
            Hook = !transcode ? output : output is { Site: HookSite.MlpOut, Layer: var layer } ? new HookPoint(layer, HookSite.MlpIn) : null,
            HookOut = transcode ? output : null,
            ModelName = ModelOfRun(folder),
            From = SaeFormat.Sparsify,
            Config = cfg,
        };
    }

    public static IReadOnlyList<string> Write(string folder, StoredSae stored)
    {
        if (stored.Normalisation != StoredSae.Unnormalised || stored.Sae is not (TopKSae { ApplyBDecToInput: true } or Transcoder { K: not null }) || stored.Sae.DOut != stored.Sae.DModel)
            throw new NotSupportedException("sparsify has topk SAEs that take b_dec off their input, and topk transcoders that write what they read the width of; this one is "
                + $"{SaeKind.Describe(stored)}.{SaeKind.FoldHint(stored, stored.Sae is TopKSae)}");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (sae, weights) = (stored.Sae, stored.Sae.Weights);
        var tensors = new Dictionary<string, Tensor>
        {
            ["encoder.weight"] = weights["W_enc"].t(),
            ["encoder.bias"] = weights["b_enc"],
            ["W_dec"] = weights["W_dec"],
            ["b_dec"] = weights["b_dec"],
        };
        if (weights.TryGetValue("W_skip", out var wSkip)) tensors.Add("W_skip", wSkip.t());
        var cfg = stored.From == SaeFormat.Sparsify && stored.Config is { } config ? config.DeepClone().AsObject() : new JsonObject
        {
            ["activation"] = "topk",
            ["expansion_factor"] = Math.Max(1, sae.DSae / sae.DModel),
            ["normalize_decoder"] = false, // says how to train on; true would make SAELens' reader leave b_dec on the input
            ["multi_topk"] = false,
        };
        cfg["num_latents"] = sae.DSae;
        cfg["k"] = sae is TopKSae topK ? topK.K : ((Transcoder)sae).K;
        cfg["skip_connection"] = wSkip is not null;
        cfg["transcode"] = sae is Transcoder;
        cfg["d_in"] = sae.DModel;
        if ((sae is Transcoder ? stored.HookOut : stored.Hook) is { } hook) cfg[HookKey] = ModuleNames.Module(hook);
        string weightsFile = Path.Combine(folder, WeightsFile), configFile = Path.Combine(folder, ConfigFile);
        SafetensorsFile.Write(weightsFile, tensors);
        Json.Save(configFile, cfg);
        return [configFile, weightsFile];
    }

    private static string? ModelOfRun(string folder)
    {
        string? run = Path.GetDirectoryName(Path.GetFullPath(folder));
        string path = Path.Combine(run ?? "", "config.json");
        return File.Exists(path) && Json.ParseObject(File.ReadAllText(path), path)["model"] is JsonValue model ? model.ToString() : null;
    }

    private static int Whole(JsonObject cfg, string key, string source) => cfg[key] is null ? 0
        : cfg[key] is JsonValue value && value.TryGetValue(out int number) ? number
        : throw new InvalidDataException($"{source}: {key} is {cfg[key]!.ToJsonString()}; expected a whole number.");

    private static bool Flag(JsonObject cfg, string key) => cfg[key] is JsonValue value && value.TryGetValue(out bool flag) && flag;
}
