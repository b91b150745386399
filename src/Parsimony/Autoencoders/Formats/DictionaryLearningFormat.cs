using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Models.TorchFiles;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Autoencoders.Formats;

/// <summary>dictionary_learning: <c>ae.pt</c>, a state dictionary whose names tell its class, and <c>config.json</c>. Read as it stands: its own <c>from_pretrained</c> may rescale an AutoEncoder's rows.</summary>
internal static class DictionaryLearningFormat
{
    public const string WeightsFile = "ae.pt";
    private const string ConfigFile = "config.json";
    private const string AutoEncoder = "AutoEncoder", AutoEncoderNew = "AutoEncoderNew", Gated = "GatedAutoEncoder", JumpRelu = "JumpReluAutoEncoder",
        TopK = "AutoEncoderTopK", BatchTopK = "BatchTopKSAE", Matryoshka = "MatryoshkaBatchTopKSAE";

    public static bool Is(NamedTensors tensors) => tensors.Has("encoder.weight", "decoder.weight") || tensors.Has("W_enc", "W_dec", "threshold");

    public static StoredSae Read(string path)
    {
        string weights = SaeFiles.FileIn(path, WeightsFile), config = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(weights))!, ConfigFile);
        var cfg = File.Exists(config) ? Json.ParseObject(File.ReadAllText(config), config) : null;
        var trainer = cfg?["trainer"] as JsonObject;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var file = TorchFile.Open(weights);
        var tensors = NamedTensors.Of(file);
        if (file.Values.ContainsKey("step") && !Is(tensors)) throw new InvalidDataException($"{weights} is a checkpoint to go on training from "
            + "(step, ae, optimizer); its tensors are in normalised units. Use the ae.pt of the finished run.");
        string kind = Kind(tensors, Text(trainer, "dict_class") ?? Text(trainer, "trainer_class"), weights);
        var sae = Build(tensors, kind);
        string[] keep = [.. ((string[])["k", "group_sizes", .. kind is TopK ? (string[])["threshold"] : []]).Where(name => tensors.Has(name))];
        var kept = keep.ToDictionary(name => name, tensors.Keep);
        tensors.ExpectNoOthers(kind);
        string? submodule = Text(trainer, "submodule_name");
        return new StoredSae
        {
            Sae = sae,
            HookName = submodule,
            Hook = submodule is null || Text(cfg?["buffer"] as JsonObject, "io") is "in" or "in_and_out" ? null : ModuleNames.OfSubmodule(submodule),
            ModelName = Text(trainer, "lm_name"),
            Kept = kept,
            From = SaeFormat.DictionaryLearning,
            Config = cfg,
        };
    }

    public static IReadOnlyList<string> Write(string folder, StoredSae stored)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (sae, weights) = (stored.Sae, stored.Sae.Weights);
        string kind = stored.Normalisation == StoredSae.Unnormalised ? Kind(stored) : throw Inexpressible(stored);
        string file = Path.Combine(folder, WeightsFile), config = Path.Combine(folder, ConfigFile);
        TorchFile.Write(file, State(stored, kind));
        var cfg = stored.From == SaeFormat.DictionaryLearning && stored.Config is { } found ? found.DeepClone().AsObject() : [];
        if (cfg["trainer"] is not JsonObject trainer) cfg["trainer"] = trainer = [];
        trainer["dict_class"] = kind;
        trainer["activation_dim"] = sae.DModel;
        trainer["dict_size"] = sae.DSae;
        if (K(stored) is { } k) trainer["k"] = k;
        if (stored.Hook is { } hook) (trainer["layer"], trainer["submodule_name"]) = (hook.Layer, hook.ToString().Split('.')[^1] + $"_layer_{hook.Layer}");
        if (stored.ModelName is not null) trainer["lm_name"] = stored.ModelName;
        if (cfg["buffer"] is null) cfg["buffer"] = new JsonObject { ["d_submodule"] = sae.DModel, ["io"] = "out" };
        Json.Save(config, cfg);
        return [file, config];
    }

    // Only TopK and BatchTopK have the same tensors; then the config decides.
    private static string Kind(NamedTensors tensors, string? said, string path)
    {
        if (tensors.Has("gate_bias")) return Gated;
        if (tensors.Has("group_sizes")) return Matryoshka;
        if (tensors.Has("W_enc", "threshold")) return JumpRelu;
        if (tensors.Has("encoder.weight", "bias")) return AutoEncoder;
        if (tensors.Has("encoder.weight", "decoder.bias")) return AutoEncoderNew;
        if (!tensors.Has("encoder.weight", "b_dec", "k"))
            throw new InvalidDataException($"{path} is not a dictionary of a known class; known: {AutoEncoder}, {AutoEncoderNew}, {Gated}, {JumpRelu}, {TopK}, {BatchTopK}, {Matryoshka}.");
        return said switch
        {
            TopK or "TopKTrainer" => TopK,
            BatchTopK or "BatchTopKTrainer" => BatchTopK,
            _ => throw new InvalidDataException($"{path} is {TopK} or {BatchTopK}, and only the dict_class in the trainer block of a config.json beside it says which; "
                + $"{(said is null ? "there is none" : $"there it is '{said}'")}."),
        };
    }

    private static ISparseAutoencoder Build(NamedTensors tensors, string kind)
    {
        if (kind is JumpRelu or Matryoshka)
        {
            int dModel = tensors.Axis("W_enc", 0), dSae = tensors.Axis("W_enc", 1);
            var threshold = kind == Matryoshka ? tensors.Read("threshold").expand(dSae) : tensors.Read("threshold", dSae);
            return new JumpReluSae(tensors.Read("W_enc", dModel, dSae), tensors.Read("W_dec", dSae, dModel), tensors.Read("b_enc", dSae),
                tensors.Read("b_dec", dModel), threshold, applyBDecToInput: kind == Matryoshka);
        }
        int latents = tensors.Axis("encoder.weight", 0), width = tensors.Axis("encoder.weight", 1);
        Tensor wEnc = tensors.Read("encoder.weight", latents, width).t(), wDec = tensors.Read("decoder.weight", width, latents).t();
        Tensor BEnc() => tensors.Read("encoder.bias", latents);
        return kind switch
        {
            Gated => new GatedSae(wEnc, wDec, tensors.Read("gate_bias", latents), tensors.Read("mag_bias", latents), tensors.Read("r_mag", latents),
                tensors.Read("decoder_bias", width)),
            AutoEncoder => new StandardSae(wEnc, wDec, BEnc(), tensors.Read("bias", width)),
            AutoEncoderNew => new StandardSae(wEnc, wDec, BEnc(), tensors.Read("decoder.bias", width), applyBDecToInput: false),
            BatchTopK => new JumpReluSae(wEnc, wDec, BEnc(), tensors.Read("b_dec", width), tensors.Read("threshold").expand(latents)),
            _ => new TopKSae(wEnc, wDec, BEnc(), tensors.Read("b_dec", width), KOf(tensors, latents)),
        };
    }

    private static int KOf(NamedTensors tensors, int dSae)
    {
        float k = tensors.Read("k").item<float>();
        return k >= 1 && k <= dSae ? (int)k : throw new InvalidDataException($"{tensors.Path} says k = {k}; expected 1 to dict_size = {dSae}.");
    }

    private static string Kind(StoredSae stored) => stored.Sae switch
    {
        StandardSae { ApplyBDecToInput: true } => AutoEncoder,
        StandardSae => AutoEncoderNew,
        GatedSae { ApplyBDecToInput: true } => Gated,
        TopKSae { ApplyBDecToInput: true } => TopK,
        JumpReluSae { ApplyBDecToInput: false } => JumpRelu,
        JumpReluSae when stored.Kept.ContainsKey("group_sizes") => Matryoshka,
        JumpReluSae jump when K(stored) is not null && jump.Threshold.eq(jump.Threshold[0]).all().item<bool>() => BatchTopK,
        _ => throw Inexpressible(stored),
    };

    private static int? K(StoredSae stored) => stored.Sae is TopKSae topK ? topK.K
        : stored.Kept.TryGetValue("k", out var k) ? k.to(ScalarType.Int32).item<int>() : stored.Said?.K;

    private static List<KeyValuePair<string, object>> State(StoredSae stored, string kind)
    {
        var w = stored.Sae.Weights;
        Tensor KTensor() => stored.Kept.TryGetValue("k", out var k) ? k : tensor(K(stored)!.Value, ScalarType.Int32);
        List<KeyValuePair<string, object>> Linear(params (string Name, Tensor Tensor)[] others) =>
            [new("encoder.weight", w["W_enc"].t()), new("decoder.weight", w["W_dec"].t()), .. others.Select(o => KeyValuePair.Create(o.Name, (object)o.Tensor))];
        return kind switch
        {
            AutoEncoder => Linear(("encoder.bias", w["b_enc"]), ("bias", w["b_dec"])),
            AutoEncoderNew => Linear(("encoder.bias", w["b_enc"]), ("decoder.bias", w["b_dec"])),
            Gated => Linear(("decoder_bias", w["b_dec"]), ("r_mag", w["r_mag"]), ("gate_bias", w["b_gate"]), ("mag_bias", w["b_mag"])),
            TopK => Linear(("encoder.bias", w["b_enc"]), ("b_dec", w["b_dec"]), ("k", KTensor()),
                ("threshold", stored.Kept.TryGetValue("threshold", out var unused) ? unused : tensor(-1f))), // -1: not measured
            BatchTopK => Linear(("encoder.bias", w["b_enc"]), ("b_dec", w["b_dec"]), ("k", KTensor()), ("threshold", w["threshold"][0])),
            Matryoshka => [new("W_enc", w["W_enc"]), new("W_dec", w["W_dec"]), new("b_enc", w["b_enc"]), new("b_dec", w["b_dec"]), new("k", KTensor()),
                new("threshold", w["threshold"][0]), new("group_sizes", stored.Kept["group_sizes"])],
            _ => [.. w.Select(weight => KeyValuePair.Create(weight.Key, (object)weight.Value))],
        };
    }

    private static NotSupportedException Inexpressible(StoredSae stored) => new(
        "dictionary_learning has standard SAEs, gated and topk ones that take b_dec off their input, jumprelu ones that do not, and BatchTopK and Matryoshka ones with their k; this one is "
        + $"{SaeKind.Describe(stored)}.{SaeKind.FoldHint(stored, stored.Sae is JumpReluSae or TopKSae)}");

    private static string? Text(JsonObject? at, string key) => at?[key] is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
