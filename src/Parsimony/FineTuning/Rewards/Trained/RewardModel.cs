using Parsimony.Autoencoders;
using Parsimony.Autoencoders.Formats;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.FineTuning.Rewards.Trained;

/// <summary>A reward model or classifier with the language model it was learnt on, ready to judge.</summary>
public sealed class RewardModel : IDisposable
{
    private const int Batch = 16;
    private readonly RewardHead head;
    private readonly RewardReader reader;
    private readonly IDisposable?[] owned;

    private RewardModel(RewardHead head, RewardHeadConfig config, Tokenizer tokenizer, RewardReader reader, IDisposable?[] owned) =>
        (this.head, Config, Tokenizer, this.reader, this.owned) = (head, config, tokenizer, reader, owned);

    /// <summary>What it is.</summary>
    public RewardHeadConfig Config { get; }

    /// <summary>The tokenizer of its language model.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Opens a head together with what it reads.</summary>
    /// <param name="head">The head; owned by the reward model from here on, also where this throws.</param>
    /// <param name="config">What it belongs to.</param>
    /// <param name="model">A model that is open already and stays the caller's; used where it is the one the head was learnt on. Null: none.</param>
    /// <param name="tokenizer">That model's tokenizer.</param>
    /// <param name="modelFolder">The language model's folder; null: where it was when the head was learnt.</param>
    /// <param name="sae">The SAE's file or folder; null: where it was when the head was learnt.</param>
    /// <exception cref="FileNotFoundException">The model or the SAE is not there.</exception>
    /// <exception cref="InvalidDataException">It is not the one the head was learnt on.</exception>
    public static RewardModel Open(
        RewardHead head, RewardHeadConfig config, Transformer? model = null, Tokenizer? tokenizer = null, string? modelFolder = null, string? sae = null)
    {
        bool shares = model is not null && tokenizer is not null && model.Sha256 == config.BaseModelSha256;
        Transformer? own = null;
        ISparseAutoencoder? latents = null;
        try
        {
            string folder = modelFolder ?? config.BaseModelFolder;
            var used = shares ? model! : own = Transformer.Load(folder, model?.Device, config.BaseModelWeights);
            string? path = config.SaeSha256 is null ? null : sae ?? config.Sae!;
            config.EnsureFits(used.Sha256, path is null ? null : SaeFiles.Sha256(path));
            if (path is not null) latents = SaeFiles.Usable(SaeFiles.Load(path), path, config.Hook).Sae.On(used.Device);
            var reader = new RewardReader(used, config.Hook, latents, config.Pooling);
            if (reader.Width != head.Width) throw new InvalidDataException($"the reward model reads {head.Width} numbers; {config.Hook?.ToString() ?? "the final norm"} of its model gives {reader.Width}.");
            return new RewardModel(head, config, shares ? tokenizer! : Tokenizer.Load(folder), reader, [head, own, latents]);
        }
        catch
        {
            latents?.Dispose();
            own?.Dispose();
            head.Dispose();
            throw;
        }
    }

    /// <summary>Judges texts.</summary>
    /// <param name="texts">The texts; may be none.</param>
    /// <param name="cancellation">Ends it between two batches.</param>
    /// <returns><c>[text][output]</c>: the normalised reward, or for each class its normalised log odds.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public double[][] Judge(IReadOnlyList<JudgedText> texts, CancellationToken cancellation = default)
    {
        var judged = new double[texts.Count][];
        foreach (int[] batch in Enumerable.Range(0, texts.Count).OrderBy(i => texts[i].Tokens.Length).Chunk(Batch)) // of like lengths: little padding
        {
            cancellation.ThrowIfCancellationRequested();
            using var noGradient = no_grad();
            using var scope = NewDisposeScope();
            double[] flat = [.. RewardHead.Verdicts(head.Values(reader.Read([.. batch.Select(i => texts[i])]))).contiguous().data<double>()];
            for (int row = 0; row < batch.Length; row++)
                judged[batch[row]] = [.. Enumerable.Range(0, head.Outputs).Select(c => Config.Gain[c] * flat[row * head.Outputs + c] + Config.Offset[c])];
        }
        return judged;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var one in owned) one?.Dispose();
    }
}
