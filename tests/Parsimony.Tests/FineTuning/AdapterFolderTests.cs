using System.Text.Json.Nodes;
using Parsimony.FineTuning;
using Parsimony.Models;
using Parsimony.Splicing;
using Parsimony.Tests.Splicing;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.FineTuning;

public sealed class AdapterFolderTests : IDisposable
{
    private static readonly string ModelHash = new('a', 64), SaeHash = new('b', 64);

    private static readonly AdapterMetadata Metadata = new()
    {
        BaseModelName = "tiny",
        BaseModelSha256 = ModelHash,
        Hooks = [new(TinySae.At, TinySae.DSae, "tiny-sae", SaeHash)],
        Mode = SpliceMode.Delta,
        Results = new Dictionary<string, double> { ["held_out_before"] = 2.5, ["held_out_after"] = double.NaN },
    };

    private readonly string folder = Directory.CreateTempSubdirectory().FullName;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly FeatureDials dials = FeatureDials.Of(TinySae.At, randn(TinySae.DSae) * 3, randn(TinySae.DSae));

    [Fact]
    public void Saved_dials_come_back_bit_equal_with_what_they_belong_to()
    {
        AdapterFolder.Save(folder, [dials], Metadata);
        var (back, metadata) = Load();
        using (back)
        {
            Assert.True(back.Scale().SameBits(dials.Scale()) && back.Shift().SameBits(dials.Shift()));
            Assert.True(back.Gamma.requires_grad);
        }
        Assert.Equal(["held_out_before"], metadata.Results.Keys); // what is no number is left out
        Assert.Equal(Metadata.Hooks, metadata.Hooks);
        Assert.Equal(Metadata with { Results = metadata.Results, Hooks = metadata.Hooks }, metadata);
    }

    [Fact]
    public void The_layout_is_pefts()
    {
        AdapterFolder.Save(folder, [dials], Metadata);
        Assert.Equal(["README.md", "adapter_config.json", "adapter_model.safetensors"],
            Directory.GetFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        using var weights = SafetensorsFile.Open(Path.Combine(folder, "adapter_model.safetensors"));
        Assert.Equal(["blocks.1.mlp_out.scale", "blocks.1.mlp_out.shift"], weights.Tensors.Keys.Order(StringComparer.Ordinal));
        Assert.True(weights.Read("blocks.1.mlp_out.scale").SameBits(dials.Scale()));
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!;
        Assert.Equal("PARSIMONY_DIALS", (string?)config["peft_type"]);
        Assert.Equal("tiny", (string?)config["base_model_name_or_path"]);
        Assert.Equal(SaeHash, (string?)config["hooks"]![0]!["sae_sha256"]);
        string card = File.ReadAllText(Path.Combine(folder, "README.md"));
        Assert.StartsWith("---\nlibrary_name: parsimony\nbase_model: tiny\n", card, StringComparison.Ordinal);
        Assert.Contains("| trainable parameters | 80 |", card, StringComparison.Ordinal);
        Assert.Contains("| held out before | 2.5 |", card, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_model_or_sae_is_refused_with_both_hashes()
    {
        AdapterFolder.Save(folder, [dials], Metadata);
        string other = new('c', 64);
        Assert.Contains("trained on model aaaaaaaaaaaa ('tiny'); this model is cccccccccccc.",
            Assert.Throws<InvalidDataException>(() => Metadata.EnsureFits(other, Saes(SaeHash))).Message, StringComparison.Ordinal);
        Assert.Contains("trained on SAE bbbbbbbbbbbb ('tiny-sae'); this SAE is cccccccccccc.",
            Assert.Throws<InvalidDataException>(() => Metadata.EnsureFits(ModelHash, Saes(other))).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => Metadata.EnsureFits(null, Saes(SaeHash)));
        Assert.Contains("there is none there", Assert.Throws<InvalidDataException>(() => Metadata.EnsureFits(ModelHash, new Dictionary<HookPoint, string>())).Message, StringComparison.Ordinal);
        Metadata.EnsureFits(ModelHash, Saes(SaeHash));
    }

    [Fact]
    public void Dials_of_several_hook_points_come_back_together()
    {
        using var second = FeatureDials.Of(new HookPoint(2, HookSite.ResidPost), randn(7), randn(7));
        var both = Metadata with { Hooks = [.. Metadata.Hooks, new(second.At, 7, "second", new('d', 64))], Mode = SpliceMode.Replace, Positions = TokenPositions.Response };
        AdapterFolder.Save(folder, [dials, second], both);
        var (back, metadata) = AdapterFolder.Load(folder);
        Assert.Equal([dials.At, second.At], back.Select(d => d.At));
        Assert.True(back[1].Shift().SameBits(second.Shift()));
        Assert.Equal((both.Mode, both.Positions), (metadata.Mode, metadata.Positions));
        Assert.Equal(both.Hooks, metadata.Hooks);
        foreach (var its in back) its.Dispose();
    }

    [Fact]
    public void Merging_the_loaded_dials_equals_splicing_the_saved_ones()
    {
        using var model = Some.Model();
        using var sae = TinySae.Random();
        AdapterFolder.Save(folder, [dials], Metadata);
        using var back = Load().Back;
        using var merged = DialMerge.Into(sae, back);
        using var direct = DialMerge.Into(sae, dials);
        Assert.True(merged.SameBits(direct));
        var tokens = Some.Tokens();
        var dialled = model.Forward(tokens, dials.Splice(sae, SpliceMode.Replace));
        Assert.True(TinySae.Distance(dialled, model.Forward(tokens, Taps.Splice(TinySae.At, merged))) < 1e-4);
    }

    [Theory]
    [InlineData("adapter_config.json", "\"PARSIMONY_DIALS\"", "\"LORA\"", "peft_type is 'LORA'; only 'PARSIMONY_DIALS' can be loaded here")]
    [InlineData("adapter_config.json", "\"delta\"", "\"sideways\"", "it must be replace or delta")]
    [InlineData("adapter_config.json", "\"d_sae\": 40", "\"d_sae\": 41", "'blocks.1.mlp_out.scale' of shape [41]")]
    [InlineData("adapter_config.json", "\"hooks\"", "\"hocks\"", "'hooks' is missing")]
    [InlineData("adapter_config.json", "blocks.1.mlp_out", "blocks.1.nowhere", "is not a hook point")]
    [InlineData("adapter_config.json", "{", "", "is not an adapter of this program")]
    public void A_folder_that_is_no_adapter_is_refused_with_the_reason(string file, string from, string to, string reason)
    {
        AdapterFolder.Save(folder, [dials], Metadata);
        string path = Path.Combine(folder, file), text = File.ReadAllText(path);
        Assert.Contains(from, text, StringComparison.Ordinal);
        File.WriteAllText(path, text.Replace(from, to, StringComparison.Ordinal));
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => AdapterFolder.Load(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        Assert.Contains("holds no adapter_config.json", Assert.Throws<FileNotFoundException>(() => AdapterFolder.Load(folder)).Message,
            StringComparison.Ordinal);
        AdapterFolder.Save(folder, [dials], Metadata);
        File.Delete(Path.Combine(folder, "adapter_model.safetensors"));
        Assert.Throws<FileNotFoundException>(() => AdapterFolder.Load(folder));
    }

    [Fact]
    public void Dials_of_another_hook_than_the_metadata_are_not_saved()
    {
        Assert.Throws<ArgumentException>(() => AdapterFolder.Save(folder, [dials], Metadata with { Hooks = [new(new HookPoint(2, HookSite.MlpOut), TinySae.DSae, "tiny-sae", SaeHash)] }));
        Assert.Empty(Directory.GetFiles(folder));
    }

    [Fact]
    public void Saving_and_loading_leave_no_tensor_behind()
    {
        void Once()
        {
            AdapterFolder.Save(folder, [dials], Metadata);
            Load().Back.Dispose();
        }
        Once();
        long before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        Once();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    private static Dictionary<HookPoint, string> Saes(string sha256) => new() { [TinySae.At] = sha256 };

    private (FeatureDials Back, AdapterMetadata Metadata) Load()
    {
        var (back, metadata) = AdapterFolder.Load(folder);
        return (back.Single(), metadata);
    }

    public void Dispose()
    {
        dials.Dispose();
        scope.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
