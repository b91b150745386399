using Parsimony.Files.Hub;
using Parsimony.Models;
using Parsimony.Tokens;

namespace Parsimony.Cli;

/// <summary>A model folder with its tokenizer, as commands open it.</summary>
internal static class ModelFolder
{
    /// <summary>The repository's own small model: <c>assets/demo</c> beside the program or above it; null when it is not there.</summary>
    public static string? Bundled
    {
        get
        {
            for (var d = new DirectoryInfo(AppContext.BaseDirectory); d is not null; d = d.Parent)
            {
                string folder = Path.Combine(d.FullName, "assets", "demo");
                if (File.Exists(Path.Combine(folder, "config.json"))) return folder;
            }
            return null;
        }
    }

    /// <summary>Opens a model and its tokenizer; the caller owns the model.</summary>
    /// <param name="folder">In the Hugging Face layout, or the name of one that was pulled; null for the bundled one.</param>
    /// <param name="device">Where the model runs; null: the processor.</param>
    /// <param name="storage">How its matrices are kept; null: as they are quantised in the folder, else float32.</param>
    /// <param name="weightBytes">What its weights may take in memory; null: no limit.</param>
    /// <exception cref="DirectoryNotFoundException">None is named, and none is bundled.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A damaged file, another architecture, or the tokenizer of another model.</exception>
    public static (Transformer Model, Tokenizer Tokenizer) Open(string? folder, TorchSharp.torch.Device? device = null, WeightStorage? storage = null, long? weightBytes = null)
    {
        folder ??= Bundled ?? throw new DirectoryNotFoundException(
            $"no model was named, and assets/demo is neither in nor above '{AppContext.BaseDirectory}'; give --model <folder>.");
        folder = HubCache.Local(folder, HubKind.Model, HubSettings.FromEnvironment());
        var model = Transformer.Load(folder, device, storage, weightBytes);
        try
        {
            var tokenizer = Tokenizer.Load(folder);
            if (tokenizer.VocabularySize > model.Config.DVocab)
                throw new InvalidDataException($"the tokenizer in '{folder}' has {tokenizer.VocabularySize} ids, the model's embedding only "
                    + $"{model.Config.DVocab} rows; put the model's own tokenizer.json there.");
            return (model, tokenizer);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
