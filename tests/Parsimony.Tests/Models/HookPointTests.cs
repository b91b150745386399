using Parsimony.Models;
using Xunit;

namespace Parsimony.Tests.Models;

public sealed class HookPointTests
{
    [Theory]
    [InlineData("blocks.1.mlp_out", 1, HookSite.MlpOut, "blocks.1.hook_mlp_out")]
    [InlineData("blocks.2.attn_in", 2, HookSite.AttnIn, "blocks.2.ln1.hook_normalized")]
    [InlineData("blocks.2.attn_qkv", 2, HookSite.AttnQkv, "blocks.2.attn.hook_qkv")]
    [InlineData("blocks.2.attn_z", 2, HookSite.AttnZ, "blocks.2.attn.hook_z")]
    [InlineData("blocks.0.mlp_in", 0, HookSite.MlpIn, "blocks.0.mlp.hook_in")]
    [InlineData("blocks.0.mlp_pre", 0, HookSite.MlpPre, "blocks.0.mlp.hook_pre")]
    [InlineData("blocks.12.resid_post", 12, HookSite.ResidPost, "blocks.12.hook_resid_post")]
    public void A_name_is_read_and_written_back_in_both_dialects(string name, int layer, HookSite site, string transformerLens)
    {
        var at = HookPoint.Parse(name);
        Assert.Equal(new HookPoint(layer, site), at);
        Assert.Equal(name, at.ToString());
        Assert.Equal(transformerLens, at.TransformerLensName);
        Assert.Equal(at, HookPoint.Parse(transformerLens));
    }

    [Theory]
    [InlineData("layer1.mlp")]
    [InlineData("blocks.-1.mlp_out")]
    [InlineData("blocks.1.mlp")]
    [InlineData("blocks.x.mlp_out")]
    public void What_is_no_hook_point_is_told_what_is(string name)
    {
        var error = Assert.Throws<FormatException>(() => HookPoint.Parse(name));
        Assert.Equal($"'{name}' is not a hook point. Write blocks.<layer>.<site>; sites: "
            + "resid_pre, attn_in, attn_qkv, attn_z, attn_out, mlp_in, mlp_pre, mlp_post, mlp_out, resid_post.", error.Message);
    }
}
