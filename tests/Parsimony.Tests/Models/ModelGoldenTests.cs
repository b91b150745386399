using Parsimony.Models;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Models;

/// <summary>Every tensor in ../shared/fixtures/neox_* and gpt2*, as huggingface/transformers computed it.</summary>
public sealed class ModelGoldenTests
{
    public static TheoryData<string> All =>
        ["neox_parallel", "neox_sequential", "neox_rot1_gelu_new", "neox_gelu_fast", "neox_relu_tied", "neox_sharded", "neox_fp16",
            "neox_bf16", "neox_legacy_buffers", "gpt2", "gpt2_hub_layout"];

    public static TheoryData<string> Detailed => ["neox_parallel", "neox_sequential", "neox_rot1_gelu_new", "gpt2"];

    private static (Transformer Model, Golden Golden) Open(string name) =>
        (Transformer.Load(Shared.Path($"fixtures/{name}")), Golden.Open($"{name}/expected"));

    [Theory, MemberData(nameof(All))]
    public void Every_activation_logit_and_loss_is_reproduced(string name)
    {
        var (model, golden) = Open(name);
        using var _ = model;
        using var __ = golden;
        using var scope = NewDisposeScope();
        using var nograd = no_grad();
        var seen = new Dictionary<HookPoint, Tensor>();
        var tokens = golden["input_ids"];
        var logits = model.Forward(tokens, (at, x) => seen[at] = x.clone().MoveToOuterDisposeScope().DetachFromDisposeScope());

        if (golden.Has("logits")) golden.AssertClose("logits", logits);
        if (golden.Has("logits_last8")) golden.AssertClose("logits_last8", logits.narrow(1, logits.size(1) - 8, 8));
        golden.AssertClose("loss", NextTokenLoss.Mean(logits, tokens));
        golden.AssertClose("loss_per_token", NextTokenLoss.PerToken(logits, tokens));
        golden.AssertClose("final_ln_out", model.FinalNorm(seen[new(model.Config.NLayers - 1, HookSite.ResidPost)]));
        if (golden.Has("embed")) golden.AssertClose("embed", seen[new(0, HookSite.ResidPre)]);
        if (golden.Has("attn_probs.0")) golden.AssertClose("attn_probs.0", model.AttentionPattern(0, tokens));

        int compared = 0;
        foreach (var (at, x) in seen)
        {
            string stored = at.Site switch
            {
                HookSite.AttnOut => $"attn_out.{at.Layer}",
                HookSite.MlpPre => $"mlp_pre.{at.Layer}",
                HookSite.MlpOut => $"mlp_out.{at.Layer}",
                HookSite.ResidPost => $"resid_out.{at.Layer}",
                _ => "",
            };
            if (golden.Has(stored))
            {
                golden.AssertClose(stored, x);
                compared++;
            }
            x.Dispose();
        }
        Assert.True(compared >= 1, "no hook point was compared");
    }

    [Theory, MemberData(nameof(All))]
    public void Greedy_text_is_reproduced_with_and_without_the_cache(string name)
    {
        var (model, golden) = Open(name);
        using var _ = model;
        using var __ = golden;
        if (!golden.Has("greedy_prompt")) return; // the legacy layouts store none
        int[] prompt = [.. golden["greedy_prompt"].Longs().Select(i => (int)i)];
        foreach (bool cache in (bool[])[true, false])
        {
            var options = new SamplingOptions { MaxNewTokens = 20, Temperature = 0, UseCache = cache };
            int[] text = [.. prompt, .. Generation.Generate(model, [prompt], options)[0]];
            Assert.Equal(golden["greedy_ids"].Longs(), text.Select(i => (long)i));
        }
    }

    [Theory, MemberData(nameof(Detailed))]
    public void The_gradient_at_the_hook_is_reproduced(string name)
    {
        var (model, golden) = Open(name);
        using var _ = model;
        using var __ = golden;
        using var scope = NewDisposeScope();
        Tensor? leaf = null;
        var at = new HookPoint(1, HookSite.MlpOut);
        var tokens = golden["input_ids"];
        var logits = model.Forward(tokens, (here, x) => here == at ? leaf = x.detach().requires_grad_().DetachFromDisposeScope() : x);
        NextTokenLoss.Mean(logits, tokens).backward();
        golden.AssertClose("grad_mlp_out.1", leaf!.grad!, relative: 3e-5);
        leaf.Dispose();
    }

    [Theory, MemberData(nameof(Detailed))]
    public void A_batch_padded_on_the_left_generates_what_its_rows_generate_alone(string name)
    {
        var (model, golden) = Open(name);
        using var _ = model;
        using var __ = golden;
        using var scope = NewDisposeScope();
        var mask = golden["leftpad_mask"].Longs().Chunk(10).ToArray();
        int[][] prompts = [.. golden["leftpad_ids"].Longs().Chunk(10).Select((row, i) => row.Where((_, t) => mask[i][t] != 0).Select(id => (int)id).ToArray())];
        var made = Generation.Generate(model, prompts, new SamplingOptions { MaxNewTokens = 8, Temperature = 0 });
        var stored = golden["leftpad_generated"].Longs().Chunk(18).Select(row => row[10..]).ToArray();
        for (int row = 0; row < prompts.Length; row++) Assert.Equal(stored[row], made[row].Select(i => (long)i));
    }

    [Theory, MemberData(nameof(Detailed))]
    public void Padding_on_the_right_changes_no_valid_position(string name)
    {
        var (model, golden) = Open(name);
        using var _ = model;
        using var __ = golden;
        using var scope = NewDisposeScope();
        using var nograd = no_grad();
        var ids = golden["rightpad_ids"];
        var logits = model.Forward(ids);
        golden.AssertClose("rightpad_logits_row1", logits[1].narrow(0, 0, 15));

        var valid = golden["rightpad_mask"].narrow(1, 1, 23).to_type(ScalarType.Float32);
        var loss = (NextTokenLoss.PerToken(logits, ids) * valid).sum() / valid.sum();
        golden.AssertClose("rightpad_loss", loss);
        golden.AssertClose("rightpad_logits_row1", model.Forward(ids, attentionMask: golden["rightpad_mask"])[1].narrow(0, 0, 15));
    }

    [Fact]
    public void The_logits_of_greedy_steps_are_reproduced()
    {
        var (model, golden) = Open("neox_parallel");
        using var _ = model;
        using var __ = golden;
        using var scope = NewDisposeScope();
        using var nograd = no_grad();
        var ids = golden["greedy_ids"];
        golden.AssertClose("greedy_last_logits", model.Forward(ids).narrow(1, 7, 20));
    }
}
