using System.Text.Json.Nodes;
using Parsimony.Files;
using Parsimony.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Tools.LanguageModel;

/// <summary>Writes a model folder in Hugging Face's layout.</summary>
public static class LmExport
{
    /// <summary>Writes <c>config.json</c>, <c>generation_config.json</c>, <c>model.safetensors</c> (float16) and <c>tokenizer.json</c>.</summary>
    public static void Write(string folder, GptNeoXConfig config, TrainableWeights weights, string tokenizer)
    {
        Json.Save(Path.Combine(folder, "config.json"), GptNeoXConfigJson.Of(config, "float16"));
        Json.Save(Path.Combine(folder, "generation_config.json"), new JsonObject
        {
            ["bos_token_id"] = 0,
            ["eos_token_id"] = 0,
            ["do_sample"] = true,
            ["temperature"] = 0.9,
            ["top_p"] = 0.95,
        });
        using var nograd = no_grad();
        using var scope = NewDisposeScope();
        SafetensorsFile.Write(Path.Combine(folder, "model.safetensors"),
            weights.Parameters.Select(p => KeyValuePair.Create(p.Key, p.Value.to_type(ScalarType.Float16))),
            new Dictionary<string, string> { ["format"] = "pt" });
        File.Copy(tokenizer, Path.Combine(folder, "tokenizer.json"), overwrite: true);
    }
}
