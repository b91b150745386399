using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Tokens;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Parsimony.Exploration.Index;

/// <summary>
/// What a latent does to the next token, with all later layers reacting: in its own strongest contexts it is set to 0 on every token up to its peak, all else in the activation, the SAE's error too, is left as
/// it is, and the log-probabilities behind the peak are compared: <c>log p - log p without it</c>, a mean over the contexts.
/// </summary>
internal sealed unsafe class MeasuredEffects(
    IndexState state, Transformer model, HookPoint at, ISparseAutoencoder sae, IReadOnlyList<int[]> contexts, FeatureIndexOptions options, int[] candidates)
{
    private const int RowsOfAGroup = 24;
    private const long Encoded = 1 << 24;

    /// <summary>The latents that are measured: those whose mean activation times decoder row is largest.</summary>
    public int[] Latents { get; } = Strongest(state, sae, options.MeasuredLatents);

    /// <summary>Latents done at a time.</summary>
    public int Group { get; } = Math.Max(1, RowsOfAGroup / options.MeasuredContexts);

    /// <summary>Measures a group.</summary>
    /// <param name="first">Place of its first latent in <see cref="Latents"/>.</param>
    /// <param name="end">Behind the last.</param>
    public void Measure(int first, int end)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var rows = new List<(int Latent, int[] Context, int Peak)>();
        for (int i = first; i < end; i++)
            for (int c = 0; c < Math.Min(options.MeasuredContexts, state.TopCount[Latents[i]]); c++)
                rows.Add((Latents[i], contexts[(int)state.TopExample(Latents[i], c)->Context], state.TopExample(Latents[i], c)->Position));
        int length = rows.Max(row => row.Peak) + 1;
        var halted = model.RunTo(at, ContextPacker.ToTensor([.. rows.Select(row => row.Context[..length])]));
        var latents = tensor(rows.Select(row => (long)row.Latent).ToArray()).to(model.Device);
        var part = Activations(halted.Activation, latents).unsqueeze(-1) * sae.WDec.index_select(0, latents).unsqueeze(1); // [rows, seq, width]
        var residuals = model.ResidualsFrom(halted, [null, (here, x) => here == at ? x - part : x]);
        var peaks = tensor(rows.Select(row => (long)row.Peak).ToArray()).to(model.Device).view(-1, 1, 1);
        Tensor Next(Tensor residual) => log_softmax(model.Unembed(residual.gather(1, peaks.expand(-1, 1, residual.size(2)))), -1)[.., 0]; // [rows, d_vocab]
        var with = Next(residuals[0]);
        var change = with - Next(residuals[1]);
        float[] divergence = (with.exp() * change).sum([1L]).cpu().data<float>().ToArray();
        for (int i = first, row = 0; i < end; i++)
        {
            int n = rows.Skip(row).TakeWhile(r => r.Latent == Latents[i]).Count();
            state.Effect[Latents[i]] = divergence.AsSpan(row, n).ToArray().Average();
            Keep(Latents[i], change.narrow(0, row, n).mean([0L]));
            row += n;
        }
    }

    // The latent's activations in each row, [rows, seq]; encoded a few rows at a time.
    private Tensor Activations(Tensor x, Tensor latents)
    {
        long rows = x.size(0), length = x.size(1), some = Math.Clamp(Encoded / (length * sae.DSae), 1, rows);
        var found = new List<Tensor>();
        for (long first = 0; first < rows; first += some)
        {
            long n = Math.Min(some, rows - first);
            using var f = sae.Activate(sae.PreActivations(x.narrow(0, first, n)));
            found.Add(f.gather(-1, latents.narrow(0, first, n).view(-1, 1, 1).expand(-1, length, 1))[.., .., 0]);
        }
        return cat(found, 0);
    }

    private void Keep(int latent, Tensor change)
    {
        int count = Math.Min(state.LogitTokens, candidates.Length);
        if (count == 0) return;
        var named = change.index_select(0, tensor(candidates.Select(id => (long)id).ToArray()).to(change.device));
        Put(state.Raised, largest: true);
        Put(state.Lowered, largest: false);

        void Put(Ranked* column, bool largest)
        {
            var (values, places) = named.topk(count, -1, largest, sorted: true);
            float[] value = values.cpu().data<float>().ToArray();
            long[] place = places.cpu().data<long>().ToArray();
            for (int i = 0; i < count; i++) column[(long)latent * state.LogitTokens + i] = new Ranked { Id = candidates[place[i]], Value = value[i] };
        }
    }

    private static int[] Strongest(IndexState state, ISparseAutoencoder sae, int most)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        float[] length = DecoderRow.Norms(sae.WDec).flatten().cpu().contiguous().data<float>().ToArray();
        return [.. Enumerable.Range(0, state.Latents).Where(i => state.Fired[i] > 0).OrderByDescending(i => state.Sum[i] * length[i]).ThenBy(i => i).Take(most)];
    }
}
