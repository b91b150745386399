using System.Text.Json.Nodes;
using Parsimony.Evaluation;
using Parsimony.Reporting;
using Xunit;

namespace Parsimony.Tests.Reporting;

public sealed class RunReportTests
{
    [Fact]
    public void The_keys_are_those_that_others_read()
    {
        var json = JsonNode.Parse(SomeReport.Full().ToJson())!.AsObject();
        foreach (string key in (string[])
                 [
                     "ce_clean", "ce_spliced", "ce_zero_ablated", "ce_mean_ablated", "ce_loss_recovered", "explained_variance", "l0", "d_sae",
                     "dead_fraction", "dense_fraction", "evaluated_tokens", "held_out", "mse", "l1", "fvu", "explained_variance_legacy", "cosine", "l2_ratio",
                     "relative_reconstruction_bias", "ce_loss_recovered_from_mean", "kl_spliced", "kl_zero_ablated", "kl_mean_ablated", "kl_score",
                     "decoder_max_cosine_mean", "decoder_max_cosine_p95", "encoder_decoder_cosine_mean", "layer_sweep", "finetune", "seconds", "tokens_seen", "seed", "version",
                 ])
            Assert.True(json.ContainsKey(key), key);
        Assert.True(json["layer_sweep"]![0]!.AsObject() is { } bar && bar.ContainsKey("layer") && bar.ContainsKey("ce_spliced"));
        Assert.Equal(
            ["heldout_before", "heldout_after", "heldout_null_after", "trainable_parameters", "task"],
            json["finetune"]!.AsObject().Select(pair => pair.Key));
        Assert.Equal(121.7, (double)json["seconds"]!["train"]!);
    }

    [Fact]
    public void What_is_read_back_is_what_was_written()
    {
        string path = Path.GetTempFileName();
        SomeReport.Full().Save(path);
        Assert.Equal(SomeReport.Full().ToJson(), RunReport.Load(path).ToJson());
        File.Delete(path);
    }

    // What is null is left out of the file, so it must not be demanded when the file is read.
    [Fact]
    public void Nothing_that_may_be_null_is_demanded_when_a_report_is_read()
    {
        var seen = new HashSet<Type>();
        var demanded = new List<string>();
        void Walk(Type type)
        {
            if (!seen.Add(type)) return;
            var info = Parsimony.Files.Json.Options.GetTypeInfo(type);
            foreach (var inner in new[] { info.ElementType, info.KeyType }.OfType<Type>()) Walk(inner);
            foreach (var property in info.Properties)
            {
                if (property.IsRequired && (Nullable.GetUnderlyingType(property.PropertyType) is not null || (!property.PropertyType.IsValueType && property.IsGetNullable))) demanded.Add($"{type.Name}.{property.Name}");
                Walk(Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType);
            }
        }
        Walk(typeof(RunReport));
        Assert.Empty(demanded);
        Assert.True(seen.Count > 20);
    }

    [Fact]
    public void What_a_run_did_not_do_is_not_in_the_file()
    {
        Assert.Equal(["version"], JsonNode.Parse(new RunReport { Version = "1" }.ToJson())!.AsObject().Select(pair => pair.Key));
        Assert.DoesNotContain("null", SomeReport.Trained().ToJson(), StringComparison.Ordinal);
        Assert.DoesNotContain('\n', SomeReport.Full().ToJson(indented: false));
    }

    [Fact]
    public void The_histogram_is_the_measurements_without_empty_decades()
    {
        var measured = SparsityReport.FromCounts([0, 0, 100_000, 50_000, 200, 2_000], 100_000);
        var histogram = DensityHistogram.Of(measured.Density);
        Assert.Equal(measured.Log10BinEdges[8..], histogram.Log10Edges);
        Assert.Equal(measured.BinCounts[8..], histogram.Counts);
        Assert.Equal((12, 2), (histogram.Counts.Count, histogram.Dead));
        Assert.Equal((4, 2), (DensityHistogram.Of([0, 0]).Counts.Count, DensityHistogram.Of([0, 0]).Dead));
        Assert.Equal(1, DensityHistogram.Of([1]).Counts[^1]);
    }

    [Fact]
    public void Dials_are_sorted_and_thinned_with_both_ends_kept()
    {
        var dials = DialSummary.Of([.. Enumerable.Range(0, 5000).Select(i => (i * 7919 % 5000) / 2500f)], [0.5f, -1]);
        Assert.Equal(401, dials.Scale.Count);
        Assert.Equal(dials.Scale.Order(), dials.Scale);
        Assert.Equal((0, 4999 / 2500f), ((float)dials.Scale[0], (float)dials.Scale[^1]));
        Assert.Equal([-1, 0.5], dials.Shift);
        Assert.Equal(0.5, dials.ScaleBelowOne);
    }
}
