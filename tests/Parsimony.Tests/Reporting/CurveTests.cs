using Parsimony.Reporting;
using Xunit;

namespace Parsimony.Tests.Reporting;

public sealed class CurveTests : IDisposable
{
    private readonly string path = Path.GetTempFileName();

    public void Dispose() => File.Delete(path);

    [Fact]
    public void Curves_are_read_by_key_whatever_else_the_lines_hold()
    {
        File.WriteAllLines(path, ["{\"step\":0,\"loss\":3.5,\"note\":\"x\",\"l0\":9}", "{\"seed\":1}", "{\"step\":10,\"loss\":2.5,\"l0\":null}"]);
        var curves = Curve.Read(path, "loss", "l0", "absent");
        Assert.Equal(["loss"], curves.Keys); // l0 has one point only
        Assert.Equal([0, 10], curves["loss"].Steps);
        Assert.Equal([3.5, 2.5], curves["loss"].Values);
    }

    [Fact]
    public void Half_a_line_at_the_end_is_left_out_and_a_step_done_again_counts_once()
    {
        File.WriteAllText(path, "{\"step\":1,\"loss\":1}\n{\"step\":2,\"loss\":9}\n{\"step\":2,\"loss\":2}\n{\"step\":3,\"lo");
        Assert.Equal([1, 2], Curve.Read(path, "loss")["loss"].Values);
    }

    [Fact]
    public void No_file_no_curves() => Assert.Empty(Curve.Read(path + ".absent", "loss"));

    [Fact]
    public void The_curves_of_a_run_come_from_its_two_logs()
    {
        File.WriteAllLines(path, ["{\"step\":0,\"loss\":1,\"mse\":1}", "{\"step\":1,\"loss\":2,\"mse\":1}"]);
        Assert.Equal(["loss", "mse", "finetune_loss"], Curve.OfRun(path, path).Keys);
        Assert.Equal(["loss", "mse"], Curve.OfRun(path, path + ".absent").Keys);
    }

    [Fact]
    public void A_long_curve_is_thinned_to_means()
    {
        double[] steps = [.. Enumerable.Range(0, 1000).Select(i => (double)i)];
        var curve = Curve.Thin(steps, [.. steps.Select(s => 2 * s)]);
        Assert.Equal((250, 4), (curve.Steps.Length, curve.StepsPerPoint));
        Assert.Equal((1.5, 3.0), (curve.Steps[0], curve.Values[0]));
    }
}
