using Parsimony.Autoencoders;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Autoencoders;

/// <summary>What every architecture promises, and what tells one from another.</summary>
public sealed class ArchitectureTests
{
    private const int DModel = 6, DSae = 20;

    public static TheoryData<string> All => ["standard", "jumprelu", "topk", "gated", "transcoder", "skip_transcoder"];

    [Theory]
    [MemberData(nameof(All))]
    public void Latents_are_the_activated_pre_activations_and_a_reconstruction_is_the_decoded_latents(string architecture)
    {
        using var scope = NewDisposeScope();
        using var sae = Of(architecture);
        var x = Drawn.Normal(1, 4, 3, DModel);
        var f = sae.Encode(x);
        Assert.Equal(architecture, sae.Architecture);
        Assert.Equal([4, 3, DSae], f.shape);
        Assert.True(f.min().item<float>() >= 0 && f.max().item<float>() > 0);
        Assert.True(f.allclose(sae.Activate(sae.PreActivations(x)), rtol: 1e-6, atol: 1e-6));
        var skip = sae is Transcoder { WSkip: { } w } ? x.matmul(w) : zeros(1);
        Assert.True(sae.Reconstruct(x).allclose(sae.Decode(f) + skip, rtol: 1e-6, atol: 1e-6));
        Assert.Equal([4, 3, sae.DOut], sae.Reconstruct(x).shape);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void No_tensor_is_left_behind(string architecture)
    {
        using var sae = Of(architecture);
        using var x = Drawn.Normal(1, 5, DModel).DetachFromDisposeScope();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        sae.Reconstruct(x).Dispose();
        sae.Encode(x).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void JumpReLU_cuts_off_at_the_threshold_and_gives_the_value_unshifted()
    {
        using var scope = NewDisposeScope();
        using var sae = new JumpReluSae(eye(3), eye(3), zeros(3), zeros(3), tensor(new float[] { 0.5f, 0.5f, -1 }));
        Assert.Equal([0, 0.75f, 0], sae.Encode(tensor(new float[] { 0.5f, 0.75f, -0.5f }).reshape(1, 3)).Floats());
    }

    [Fact]
    public void TopK_keeps_the_k_largest_of_each_token_and_nothing_below_zero()
    {
        using var scope = NewDisposeScope();
        using var sae = new TopKSae(eye(4), eye(4), zeros(4), zeros(4), k: 2);
        var x = tensor(new float[,] { { 1, 3, 2, 0.5f }, { -1, -2, 4, -3 } });
        Assert.Equal([0, 3, 2, 0, 0, 0, 4, 0], sae.Encode(x).Floats());
    }

    [Fact]
    public void A_gate_opens_where_its_own_bias_says_so_and_the_magnitude_has_another()
    {
        using var scope = NewDisposeScope();
        using var sae = new GatedSae(eye(2), eye(2), tensor(new float[] { -1, 1 }), tensor(new float[] { 0.5f, 0.5f }),
            tensor(new float[] { MathF.Log(2), 0 }), zeros(2));
        var x = tensor(new float[,] { { 0.9f, -0.2f }, { 1.5f, -1.5f } });
        Assert.Equal([0, 0.3f, 3.5f, 0], sae.Encode(x).Floats(), (a, b) => MathF.Abs(a - b) < 1e-6f);
    }

    [Fact]
    public void An_SAE_that_leaves_b_dec_on_its_input_reads_the_activation_itself()
    {
        using var scope = NewDisposeScope();
        using var off = new StandardSae(eye(2), eye(2), zeros(2), ones(2));
        using var on = new StandardSae(eye(2), eye(2), zeros(2), ones(2), applyBDecToInput: false);
        var x = tensor(new float[] { 3, 4 }).reshape(1, 2);
        Assert.Equal([2, 3], off.Encode(x).Floats());
        Assert.Equal([3, 4], on.Encode(x).Floats());
    }

    [Fact]
    public void A_k_out_of_range_and_a_threshold_of_another_length_are_refused()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("allowed: 1 to d_sae = 2", Assert.Throws<ArgumentException>(() => new TopKSae(eye(2), eye(2), zeros(2), zeros(2), k: 3)).Message);
        Assert.Contains("threshold [d_sae] has shape [3]",
            Assert.Throws<ArgumentException>(() => new JumpReluSae(eye(2), eye(2), zeros(2), zeros(2), zeros(3))).Message);
    }

    /// <summary>One of an architecture, random.</summary>
    internal static ISparseAutoencoder Of(string architecture)
    {
        using var scope = NewDisposeScope();
        Tensor wEnc = Drawn.Normal(2, DModel, DSae), wDec = Drawn.Normal(3, DSae, DModel), bEnc = Drawn.Normal(4, DSae) * 0.3, bDec = Drawn.Normal(5, DModel) * 0.3;
        return architecture switch
        {
            "standard" => new StandardSae(wEnc, wDec, bEnc, bDec),
            "jumprelu" => new JumpReluSae(wEnc, wDec, bEnc, bDec, Drawn.Normal(6, DSae).abs()),
            "topk" => new TopKSae(wEnc, wDec, bEnc, bDec, k: 4),
            "gated" => new GatedSae(wEnc, wDec, bEnc, Drawn.Normal(6, DSae), Drawn.Normal(7, DSae) * 0.3, bDec),
            "transcoder" => new Transcoder(wEnc, Drawn.Normal(3, DSae, 9), bEnc, Drawn.Normal(5, 9)),
            _ => new Transcoder(wEnc, wDec, bEnc, bDec, Drawn.Normal(6, DModel, DModel), k: 4),
        };
    }
}
