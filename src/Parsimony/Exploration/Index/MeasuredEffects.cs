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
    /// <summary>Latents done at a time: their rows are sorted by the peak's place, so that rows of one pass are about equally long.</summary>
    public const int Group = 64;

    private const int RowsOfAPass = 24;
    private const long Encoded = 1 << 24;

    /// <summary>The latents that are measured: those whose mean activation times decoder row is largest.</summary>
    public int[] Latents { get; } = Strongest(state, sae, options.MeasuredLatents);

    /// <summary>Measures a group.</summary>
    /// <param name="first">Place of its first latent in <see cref="Latents"/>.</param>
    /// <param name="end">Behind the last.</param>
    public void Measure(int first, int end)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        var rows = from i in Enumerable.Range(first, end - first)
                   let shown = Math.Min(options.MeasuredContexts, state.TopCount[Latents[i]])
                   from c in Enumerable.Range(0, shown)
                   select new Row(i - first, Latents[i], contexts[(int)Context(i, c)], Peak(i, c), 1f / shown);
        var change = zeros(end - first, model.Config.DVocab, device: model.Device);
        var effect = zeros(end - first, device: model.Device);
        foreach (var pass in rows.OrderBy(row => row.Peak).Chunk(RowsOfAPass)) Add(pass, change, effect);
        float[] effects = effect.cpu().data<float>().ToArray();
        for (int i = first; i < end; i++) state.Effect[Latents[i]] = effects[i - first];
        Keep(first, change);
    }

    private uint Context(int place, int i) => state.TopExample(Latents[place], i)->Context;

    private int Peak(int place, int i) => state.TopExample(Latents[place], i)->Position;

    private void Add(Row[] rows, Tensor change, Tensor effect)
    {
        using var scope = NewDisposeScope();
        Tensor Numbers(Func<Row, long> of) => tensor(rows.Select(of).ToArray()).to(model.Device);
        int length = rows[^1].Peak + 1; // no token looks ahead
        var halted = model.RunTo(at, ContextPacker.ToTensor([.. rows.Select(row => row.Context[..length])]));
        var latents = Numbers(row => row.Latent);
        var part = Activations(halted.Activation, latents).unsqueeze(-1) * sae.WDec.index_select(0, latents).unsqueeze(1);   // [rows, seq, width]
        var residuals = model.ResidualsFrom(halted, [null, (here, x) => here == at ? x - part : x]);
        var peaks = Numbers(row => row.Peak).view(-1, 1, 1);
        Tensor Next(Tensor residual) => log_softmax(model.Unembed(residual.gather(1, peaks.expand(-1, 1, residual.size(2)))), -1)[.., 0]; // [rows, d_vocab]
        var with = Next(residuals[0]);
        var share = tensor(rows.Select(row => row.Share).ToArray()).to(model.Device).unsqueeze(1);
        var each = (with - Next(residuals[1])) * share;
        var places = Numbers(row => row.Place);
        change.index_add_(0, places, each, 1);
        effect.index_add_(0, places, (with.exp() * each).sum([1L]), 1);
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

    private void Keep(int first, Tensor change)
    {
        int count = Math.Min(state.LogitTokens, candidates.Length);
        if (count == 0) return;
        var named = change.index_select(1, tensor(candidates.Select(id => (long)id).ToArray()).to(change.device));
        Put(state.Raised, largest: true);
        Put(state.Lowered, largest: false);

        void Put(Ranked* column, bool largest)
        {
            var (values, places) = named.topk(count, -1, largest, sorted: true);
            float[] value = values.cpu().contiguous().data<float>().ToArray();
            long[] place = places.cpu().contiguous().data<long>().ToArray();
            for (int i = 0; i < value.Length; i++)
                column[(long)Latents[first + i / count] * state.LogitTokens + i % count] = new Ranked { Id = candidates[place[i]], Value = value[i] };
        }
    }

    /// <summary>A latent in one of its contexts.</summary>
    /// <param name="Place">In the group.</param>
    /// <param name="Latent">The latent.</param>
    /// <param name="Context">The context's tokens.</param>
    /// <param name="Peak">Where the latent fires most.</param>
    /// <param name="Share">Of this context in the mean.</param>
    private sealed record Row(int Place, int Latent, int[] Context, int Peak, float Share);

    private static int[] Strongest(IndexState state, ISparseAutoencoder sae, int most)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        float[] length = DecoderRow.Norms(sae.WDec).flatten().cpu().contiguous().data<float>().ToArray();
        return [.. Enumerable.Range(0, state.Latents).Where(i => state.Fired[i] > 0).OrderByDescending(i => state.Sum[i] * length[i]).ThenBy(i => i).Take(most)];
    }
}
