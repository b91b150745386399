using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Parsimony.Autoencoders;
using Parsimony.Models;
using Parsimony.Training.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Parsimony.Splicing;

/// <summary>
/// Delta mode over the entries that are not zero: <c>m' = m + sum over latents that fire of (Activate(c z + d) - Activate(z)) W_dec row</c>. Of a token's latents a few in a hundred
/// fire; beside the encoder's product nothing is done for the others, forward or backward. At c = 1, d = 0 nothing is added, so m' is m bit by bit.
/// </summary>
/// <remarks>Equal to the dense arithmetic to rounding. Sums have a fixed order whatever the number of threads; what is added to a token depends on that token alone.</remarks>
internal sealed class SparseDelta : autograd.SingleTensorFunction<SparseDelta>
{
    private const int MostChunks = 16; // of tokens; fixed, so that sums over tokens do not depend on the machine
    private const int Sample = 64; // tokens that say whether few enough latents fire
    private const double MostFire = 0.1;
    private const string Key = "pass";

    public override string Name => nameof(SparseDelta);

    /// <summary>Whether it can take the dense arithmetic's place: on the processor, with latents that do not depend on each other, and where the gradient of m is not wanted.</summary>
    public static bool Takes(ISparseAutoencoder sae, Tensor m) => m.device_type == DeviceType.CPU && m.dtype == ScalarType.Float32 && sae.WDec.is_contiguous()
        && sae is StandardSae or JumpReluSae && !(is_grad_enabled() && m.requires_grad);

    /// <summary>Whether it is worth it: of the first tokens no more than a tenth of the latents fire. Of a poor SAE or a newborn one half of them may.</summary>
    /// <param name="z">Pre-activations, <c>[.., d_sae]</c>.</param>
    public static bool IsWorthIt(Tensor z)
    {
        using var scope = NewDisposeScope();
        var rows = z.reshape(-1, z.size(-1));
        return rows.narrow(0, 0, Math.Min(Sample, rows.size(0))).gt(0).to(ScalarType.Float32).mean().item<float>() <= MostFire;
    }

    /// <summary>m', with the gradients of c and d.</summary>
    /// <param name="sae">What <see cref="Takes"/> takes; its tensors must live until the backward pass is over.</param>
    /// <param name="m"><c>[.., d_model]</c>, float32, without gradient.</param>
    /// <param name="z">Its pre-activations, <c>[.., d_sae]</c>.</param>
    /// <param name="scale">c, <c>[d_sae]</c>, or for each row of a batch its own, <c>[batch, 1, d_sae]</c>.</param>
    /// <param name="shift">d, likewise.</param>
    /// <param name="where">Bool, one for each token of m: where the dials act; null: everywhere.</param>
    public static Tensor Of(ISparseAutoencoder sae, Tensor m, Tensor z, Tensor scale, Tensor shift, Tensor? where = null)
    {
        bool learns = is_grad_enabled() && (scale.requires_grad || shift.requires_grad);
        var pass = new Pass(sae, where?.contiguous().data<bool>().ToArray(), keepsFiring: learns, rows: scale.dim() == 1 ? null : (int)scale.size(0));
        return learns ? apply(scale, shift, m, z, pass) : pass.Forward(m, z, scale, shift);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(Key, vars[4]);
        return ((Pass)vars[4]).Forward((Tensor)vars[2], (Tensor)vars[3], (Tensor)vars[0], (Tensor)vars[1]);
    }

    // A fault here would end the process; the forward pass has found the shapes to fit.
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var part = BackwardPart.Begin(grad_output);
        var (c, d) = ((Pass)ctx.get_data(Key)).Backward(grad_output);
        return part.Give(c, d, null, null, null);
    }

    /// <summary>One pass over some tokens, and what its backward pass needs of it: the latents that fire under the dials, with their pre-activations.</summary>
    private sealed unsafe class Pass(ISparseAutoencoder sae, bool[]? where, bool keepsFiring, int? rows)
    {
        private readonly Tensor? threshold = (sae as JumpReluSae)?.Threshold;
        private readonly int chunks = rows ?? MostChunks;                                        // of tokens; of rows with dials of their own each is one
        private readonly List<(int Token, int Latent, float Z)>[] firing = [.. Enumerable.Range(0, rows ?? MostChunks).Select(_ => new List<(int, int, float)>())];

        public Tensor Forward(Tensor m, Tensor preActivations, Tensor scale, Tensor shift)
        {
            using var noGradient = no_grad();
            using var scope = NewDisposeScope();
            var z = preActivations.contiguous();                                                 // [.., d_sae]
            var (c, d) = (scale.contiguous(), shift.contiguous());
            var result = m.contiguous().clone();                                                 // [.., d_model]
            int tokens = (int)(z.numel() / sae.DSae), dSae = sae.DSae, dModel = sae.DModel;
            nint zs = (nint)z.Pointer(), cs = (nint)c.Pointer(), ds = (nint)d.Pointer(), directions = (nint)sae.WDec.Pointer(), to = (nint)result.Pointer(), floor = threshold is null ? 0 : (nint)threshold.Pointer();
            Run(tokens, (chunk, token) =>
            {
                long own = rows is null ? 0 : (long)chunk * dSae;
                if (where is null || where[token]) Token(chunk, token, (float*)zs + (long)token * dSae, (float*)cs + own, (float*)ds + own, (float*)floor, (float*)directions, (float*)to + (long)token * dModel, dSae, dModel);
            });
            return result.MoveToOuterDisposeScope();
        }

        public (Tensor Scale, Tensor Shift) Backward(Tensor gradient)
        {
            using var noGradient = no_grad();
            using var scope = NewDisposeScope();
            var g = gradient.contiguous();
            int dSae = sae.DSae, dModel = sae.DModel;
            var sums = zeros(chunks, 2, dSae);                                                   // of c and d, chunk by chunk
            nint gs = (nint)g.Pointer(), directions = (nint)sae.WDec.Pointer(), to = (nint)sums.Pointer();
            Parallel.For(0, chunks, chunk =>
            {
                float* ofScale = (float*)to + (long)chunk * 2 * dSae, ofShift = ofScale + dSae;
                foreach (var (token, latent, z) in CollectionsMarshal.AsSpan(firing[chunk]))
                {
                    float u = Dot((float*)gs + (long)token * dModel, (float*)directions + (long)latent * dModel, dModel);
                    ofScale[latent] += u * z;
                    ofShift[latent] += u;
                }
            });
            var all = rows is null ? sums.sum([0L]) : sums.transpose(0, 1).unsqueeze(2);          // [2, d_sae] or [2, rows, 1, d_sae]
            return (all[0].clone().MoveToOuterDisposeScope(), all[1].clone().MoveToOuterDisposeScope());
        }

        private void Run(int tokens, Action<int, int> token)
        {
            void Chunk(int chunk)
            {
                for (int t = (int)((long)tokens * chunk / chunks), end = (int)((long)tokens * (chunk + 1) / chunks); t < end; t++) token(chunk, t);
            }
            if (tokens < Sample) for (int chunk = 0; chunk < chunks; chunk++) Chunk(chunk); // generation: not worth a second thread
            else Parallel.For(0, chunks, Chunk);
        }

        private void Token(int chunk, int token, float* z, float* c, float* d, float* floor, float* rows, float* to, int dSae, int dModel)
        {
            int width = Vector<float>.Count, latent = 0;
            for (; latent + width <= dSae; latent += width)
            {
                var (plain, least) = (Load(z + latent), floor == null ? Vector<float>.Zero : Load(floor + latent));
                var turned = Load(c + latent) * plain + Load(d + latent);
                if (Vector.GreaterThanAny(turned, least) || Vector.GreaterThanAny(plain, least))
                    for (int i = latent; i < latent + width; i++) Latent(i);
            }
            for (; latent < dSae; latent++) Latent(latent);

            void Latent(int i)
            {
                float least = floor == null ? 0 : floor[i], scaled = c[i] * z[i], u = scaled + d[i];
                bool fires = u > least && u > 0;
                if (fires && keepsFiring) firing[chunk].Add((token, i, z[i]));
                float added = (fires ? u : 0) - (z[i] > least && z[i] > 0 ? z[i] : 0);
                if (added != 0) Add(to, rows + (long)i * dModel, added, dModel);
            }
        }

        private static void Add(float* to, float* row, float times, int count)
        {
            int width = Vector<float>.Count, k = 0;
            var factor = new Vector<float>(times);
            for (; k + width <= count; k += width) Unsafe.WriteUnaligned(to + k, Load(to + k) + factor * Load(row + k));
            for (; k < count; k++) to[k] += times * row[k];
        }

        private static float Dot(float* a, float* b, int count)
        {
            int width = Vector<float>.Count, k = 0;
            var sum = Vector<float>.Zero;
            for (; k + width <= count; k += width) sum += Load(a + k) * Load(b + k);
            float all = Vector.Sum(sum);
            for (; k < count; k++) all += a[k] * b[k];
            return all;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector<float> Load(float* from) => Unsafe.ReadUnaligned<Vector<float>>(from);
    }
}
