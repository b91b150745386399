using System.IO.Compression;
using Parsimony.Models.TorchFiles;
using Xunit;
using static Parsimony.Tests.Models.TorchFiles.SomePickle;

namespace Parsimony.Tests.Models.TorchFiles;

/// <summary>Files that are broken or mean harm end in one sentence, and do nothing.</summary>
public sealed class HostileTorchFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_call_of_the_shell_is_refused_and_not_made()
    {
        string trace = folder.File("trace");
        string said = Refused("cos\nsystem\n" + Tuple(String($"touch {trace}")) + "R");
        Assert.Contains("it names os.system, and only plain tensors", said, StringComparison.Ordinal);
        Assert.False(File.Exists(trace));
    }

    [Theory]
    [InlineData("cbuiltins\neval\n", "it names builtins.eval")]
    [InlineData("cposix\nsystem\n", "it names posix.system")]
    [InlineData("ctorch.nn.modules.linear\nLinear\n", "save the state dictionary alone: torch.save(model.state_dict(), path)")]
    [InlineData("ctorch.storage\nUntypedStorage\n", "it names torch.storage.UntypedStorage")]
    [InlineData("(ios\nsystem\n", "opcode 0x69")] // INST
    [InlineData("(cos\n", "cut off or broken")]
    [InlineData("ccollections\nOrderedDict\n)\u0081", "opcode 0x81")] // NEWOBJ
    [InlineData("ccollections\nOrderedDict\nK\u0001R", "without a tuple of arguments")]
    [InlineData("ccollections\nOrderedDict\nK\u0001\u0085R", "it calls collections.OrderedDict with arguments")]
    [InlineData("K\u0001)R", "calls something that is not a name")]
    [InlineData("ctorch._utils\n_rebuild_tensor_v2\n)R", "with arguments that torch does not write")]
    [InlineData("K\u0001Q", "refers to a storage in a way")]
    [InlineData("K\u0001}b", "something that is not an OrderedDict")]
    [InlineData("})K\u0001s", "neither a text nor a whole number")]
    [InlineData("}(K\u0001u", "a key without a value")]
    [InlineData("hA", "refers to object 65")]
    [InlineData("0", "cut off or broken")]
    [InlineData("(K\u0001(\u0085", "takes more from the stack")]
    [InlineData("X\u00ff\u00ff\u00ff\u00ffabc", "cut off or broken")]
    [InlineData("\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ffabc", "cut off or broken")]
    [InlineData("\u008a\u0009123456789", "a whole number of 9 bytes")]
    [InlineData("Pstorage\n", "opcode 0x50")]
    [InlineData("ccollections\nOrderedDict\n", "is neither a tensor nor a number")]
    public void Only_what_is_on_the_lists_is_read(string pickle, string said) => Assert.Contains(said, Refused(pickle), StringComparison.Ordinal);

    [Theory]
    [InlineData(8, 0, new[] { 3, 3 }, new[] { 3, 1 }, "ends at element 8 of a storage of 8")]
    [InlineData(8, 6, new[] { 3 }, new[] { 1 }, "ends at element 8 of a storage of 8")]
    [InlineData(8, 0, new[] { int.MaxValue, int.MaxValue, int.MaxValue }, new[] { 0, 0, 0 }, "not a 64-bit number")]
    [InlineData(8, 0, new[] { 2, int.MaxValue, int.MaxValue, 8 }, new[] { int.MaxValue, int.MaxValue, int.MaxValue, 1 }, "not a 64-bit number")]
    [InlineData(8, 0, new[] { int.MaxValue }, new[] { 0 }, "save an expanded tensor as tensor.clone()")]
    [InlineData(8, 0, new[] { 2 }, new[] { 1, 1 }, "1 axes and 2 strides")]
    [InlineData(8, -1, new[] { 2 }, new[] { 1 }, "ends at element")]
    [InlineData(8, 0, new[] { -2 }, new[] { 1 }, "arguments that torch does not write")]
    [InlineData(8, 0, new[] { 2 }, new[] { -1 }, "arguments that torch does not write")]
    public void A_view_outside_its_storage_is_refused_before_anything_is_read(int elements, int offset, int[] size, int[] stride, string said) =>
        Assert.Contains(said, Refused(Dictionary(("w", Tensor("FloatStorage", "0", elements, offset, size, stride)))), StringComparison.Ordinal);

    [Fact]
    public void A_huge_claim_is_refused_before_memory_is_taken()
    {
        using var file = TorchFile.Open(Write(folder.File("a.pt"), Dictionary(("w", Tensor("DoubleStorage", "0", int.MaxValue, 0, [int.MaxValue], [1]))),
            new() { ["0"] = new byte[16] }));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("but it has 16 bytes", Assert.Throws<InvalidDataException>(() => file.Read("w")).Message, StringComparison.Ordinal);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Fact]
    public void A_missing_storage_and_a_missing_tensor_are_named()
    {
        using var file = TorchFile.Open(Write(folder.File("a.pt"), Dictionary(("w", Tensor("FloatStorage", "7", 2, 0, [2], [1])))));
        Assert.Contains("lies in data/7, which is not there", Assert.Throws<InvalidDataException>(() => file.Read("w")).Message, StringComparison.Ordinal);
        Assert.Contains("has no tensor 'v'; it holds w.", Assert.Throws<InvalidDataException>(() => file.Read("v")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lists_that_hold_one_another_many_times_are_not_unfolded()
    {
        // Each of 40 lists holds the one before twice: 2^40 leaves in 200 bytes.
        string bomb = "]q\u0001" + string.Concat(Enumerable.Range(1, 40).Select(i => $"](h{(char)i}h{(char)i}eq{(char)(i + 1)}"));
        Assert.Contains("holds more than 1000000 things", Refused(bomb), StringComparison.Ordinal);
        Assert.Contains("nested deeper than 64", Refused("]q\u0001h\u0001a"), StringComparison.Ordinal); // a list that holds itself
        Assert.Contains("nested deeper than 64", Refused(new string(']', 70) + new string('a', 69)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_cut_anywhere_is_refused_in_a_sentence()
    {
        byte[] whole = File.ReadAllBytes(Write(folder.File("whole.pt"), Dictionary(("w", Tensor("FloatStorage", "0", 2, 0, [2], [1]))), new() { ["0"] = new byte[8] }));
        for (int length = 0; length < whole.Length; length += 7)
        {
            File.WriteAllBytes(folder.File("cut.pt"), whole[..length]);
            Assert.Contains("cut off", Assert.Throws<InvalidDataException>(() => TorchFile.Open(folder.File("cut.pt"))).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_bit_flipped_anywhere_gives_a_file_or_a_sentence()
    {
        byte[] whole = File.ReadAllBytes(Write(folder.File("whole.pt"), Dictionary(("w", Tensor("FloatStorage", "0", 2, 0, [2], [1]))), new() { ["0"] = new byte[8] }));
        for (int at = 0; at < whole.Length; at++)
        {
            byte[] flipped = [.. whole];
            flipped[at] ^= (byte)(1 << at % 8);
            File.WriteAllBytes(folder.File("flipped.pt"), flipped);
            try
            {
                using var file = TorchFile.Open(folder.File("flipped.pt"));
                foreach (string name in file.Tensors.Keys) file.Read(name).Dispose();
            }
            catch (InvalidDataException) { } // any other exception fails the test
        }
    }

    [Fact]
    public void Other_layouts_are_told_apart()
    {
        File.WriteAllBytes(folder.File("old.pt"), [0x80, 2, 0x8a, 10]);
        Assert.Contains("torch before 1.6", Assert.Throws<InvalidDataException>(() => TorchFile.Open(folder.File("old.pt"))).Message, StringComparison.Ordinal);
        using (var archive = ZipFile.Open(folder.File("other.zip"), ZipArchiveMode.Create)) archive.CreateEntry("readme.txt");
        Assert.Contains("without a data.pkl", Assert.Throws<InvalidDataException>(() => TorchFile.Open(folder.File("other.zip"))).Message, StringComparison.Ordinal);
        Write(folder.File("big.pt"), "}", byteOrder: "big");
        Assert.Contains("byte order is 'big'", Assert.Throws<InvalidDataException>(() => TorchFile.Open(folder.File("big.pt"))).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => TorchFile.Open(folder.File("absent.pt")));
    }

    private string Refused(string pickle) =>
        Assert.Throws<InvalidDataException>(() => TorchFile.Open(Write(folder.File($"{Guid.NewGuid()}.pt"), pickle)).Dispose()).Message;
}
