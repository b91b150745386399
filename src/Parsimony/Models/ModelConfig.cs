using System.Text.Json;

namespace Parsimony.Models;

/// <summary>Reads a model's shape from Hugging Face's <c>config.json</c>, whose <c>model_type</c> names the family.</summary>
public static class ModelConfig
{
    private const string Supported = "supported: gpt_neox (GPT-NeoX, Pythia), gpt2, llama (Llama, SmolLM), mistral, qwen2";

    /// <summary>Reads <c>config.json</c> of a model folder, or the header of the llama2.c checkpoint in it.</summary>
    /// <exception cref="FileNotFoundException">The folder has no config.json.</exception>
    /// <exception cref="InvalidDataException">The file is not JSON, is of another architecture, or lacks or contradicts a value.</exception>
    public static IModelConfig Load(string folder)
    {
        if (Llama2cFile.FindIn(folder) is { } checkpoint)
        {
            using var file = Llama2cFile.Open(checkpoint);
            return file.Config;
        }
        string path = Path.Combine(folder, "config.json");
        if (!File.Exists(path)) throw new FileNotFoundException(
            $"'{folder}' holds no config.json. A model folder has config.json, model.safetensors (or shards with an index) and tokenizer.json.");
        return Parse(File.ReadAllText(path), path);
    }

    /// <summary>Reads the text of a <c>config.json</c>.</summary>
    /// <param name="json">The text.</param>
    /// <param name="source">Where it came from, for error messages.</param>
    /// <exception cref="InvalidDataException">As for <see cref="Load"/>.</exception>
    public static IModelConfig Parse(string json, string source)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var config = new ConfigReader(document.RootElement);
            IModelConfig read = config.Text("model_type", "") switch
            {
                GptNeoXConfig.Family => GptNeoXConfig.Read(config),
                Gpt2Config.Family => Gpt2Config.Read(config),
                LlamaConfig.Llama or LlamaConfig.Mistral or LlamaConfig.Qwen2 => LlamaConfig.Read(config, config.Text("model_type", "")),
                var other => throw new FormatException($"model_type is '{other}'; {Supported}. Name a folder of such a model."),
            };
            config.ThrowIfFaulty();
            return read;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException(e is FormatException ? $"{source}: {e.Message}" : $"{source} is not a usable model config: {e.Message}", e);
        }
    }
}
