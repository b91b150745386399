using Parsimony.Autoencoders;
using Xunit;
using static TorchSharp.torch;

namespace Parsimony.Tests.Autoencoders;

public sealed class DecoderRowTests
{
    [Fact]
    public void Renormalising_changes_lengths_and_no_direction()
    {
        using var scope = NewDisposeScope();
        var w = tensor(new float[,] { { 3, 4 }, { 0, 0.5f } });
        Assert.Same(w, DecoderRow.Renormalise(w));
        Assert.Equal([0.6f, 0.8f, 0, 1], w.Floats());
    }

    [Fact]
    public void A_projected_gradient_is_orthogonal_to_its_row_and_otherwise_as_it_was()
    {
        using var scope = NewDisposeScope();
        var w = tensor(new float[,] { { 2, 0, 0 }, { 0, 3, 4 } }); // rows of any length
        var g = tensor(new float[,] { { 5, 6, 7 }, { 1, 3, 4 } });
        DecoderRow.ProjectOut(g, w);
        Assert.Equal([0, 6, 7, 1, 0, 0], g.Floats());
    }
}
