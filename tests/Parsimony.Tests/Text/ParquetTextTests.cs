using Parquet;
using Parquet.Schema;
using Parsimony.Text;
using Xunit;
using static Parsimony.Tests.Text.PlainTextTests;

namespace Parsimony.Tests.Text;

public sealed class ParquetTextTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private async Task<string> Write(CompressionMethod compression, params string?[][] groups)
    {
        string path = folder.File($"{compression}.parquet");
        var field = new DataField<string>("text");
        await using var file = File.Create(path);
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(field), file, new ParquetOptions { CompressionMethod = compression });
        foreach (string?[] rows in groups)
        {
            using var group = writer.CreateRowGroup();
            await group.WriteAsync(field, rows!);
        }
        return path;
    }

    private static List<string> Read(string path, string column = "text", bool skip = false) => Whole(Documents.Read(path, new TextOptions { TextColumn = column, SkipBad = skip }));

    private static string Data(string name) => Shared.Path($"data/parquet/data/{name}.parquet");

    [Theory]
    [InlineData(CompressionMethod.None)]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Gzip)]
    [InlineData(CompressionMethod.Zstd)]
    public async Task Each_row_is_a_document(CompressionMethod compression)
    {
        string path = await Write(compression, ["one\n", null, "é🦙"], ["", "two"]);
        Assert.Equal(["one\n", "é🦙", "two"], Read(path));
        var reader = Corpus.Open(path).Read();
        Assert.Equal("one\n", reader.Pieces().First().Text);
        Assert.Equal(["é🦙", "two"], Whole(Corpus.Open(path).Read(reader.Position).Pieces()));
    }

    [Fact]
    public async Task A_broken_row_group_is_named_or_passed_over()
    {
        string path = await Write(CompressionMethod.None, ["one"], ["two"], ["three"]);
        byte[] bytes = File.ReadAllBytes(path);
        int at = bytes.AsSpan().IndexOf("two"u8);
        bytes.AsSpan(at - 12, 12).Fill(0xFF);
        File.WriteAllBytes(path, bytes);
        var error = Assert.Throws<InvalidDataException>(() => Read(path));
        Assert.StartsWith($"'{path}', row group 1: the column 'text' cannot be read (", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("or pass over what is broken with --skip-bad.", error.Message, StringComparison.Ordinal);
        Assert.Equal(["one", "three"], Read(path, skip: true));
    }

    [Fact]
    public async Task A_column_that_is_not_there_is_refused_with_those_that_are()
    {
        string path = await Write(CompressionMethod.None, ["one"]);
        Assert.Equal($"'{path}' has no text column 'body' (it has: text). Name one with --text-column.", Assert.Throws<InvalidDataException>(() => Read(path, "body")).Message);
        Assert.Contains("has no text column 'text' (it has: none at all)", Assert.Throws<InvalidDataException>(() => Read(Data("nan_in_stats"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_columns_that_are_broken_do_no_harm() =>
        Assert.Equal(["abcd", "c", "d"], Read(Shared.Path("data/parquet/bad_data/ARROW-GH-41317.parquet"), "string"));

    /// <summary>The files of parquet-testing with a string column: which column, its number of documents, the first of them.</summary>
    [Theory]
    [InlineData("alltypes_plain", "string_col", 8, "0")]
    [InlineData("alltypes_plain.snappy", "string_col", 2, "0")]
    [InlineData("alltypes_dictionary", "date_string_col", 2, "01/01/09")]
    [InlineData("binary", "foo", 12, "\0")]
    [InlineData("data_index_bloom_encoding_stats", "String", 14, "Hello")]
    [InlineData("datapage_v2.snappy", "a", 4, "abc")]
    [InlineData("delta_byte_array", "c_email_address", 969, "Mark.Bailey@rg9qCNVJ0s7qeY.com")]
    [InlineData("delta_encoding_optional_column", "c_first_name", 97, "")]
    [InlineData("delta_encoding_required_column", "c_email_address:", 100, "")]
    [InlineData("delta_length_byte_array", "FRUIT", 1000, "apple_banana_mango0")]
    [InlineData("fixed_length_byte_array", "flba_field", 895, "")]
    [InlineData("list_columns", "utf8_list", 2, "abc\nefg\nhij")]
    [InlineData("lz4_raw_compressed", "c1", 4, "abc")]
    [InlineData("non_hadoop_lz4_compressed", "c1", 4, "abc")]
    [InlineData("nation.dict-malformed", "name", 25, "ALGERIA")]
    [InlineData("nested_lists.snappy", "a", 3, "a\nb\nc\nd")]
    [InlineData("nonnullable.impala", "Int_Map.key", 1, "k1")]
    [InlineData("nullable.impala", "nested_struct.C.d.F", 2, "aaa\nbbb\nc")]
    [InlineData("plain-dict-uncompressed-checksum", "binary_field", 1000, "")]
    [InlineData("rle-dict-snappy-checksum", "binary_field", 1000, "")]
    [InlineData("sort_columns", "b", 6, "a")]
    [InlineData("unknown-logical-type", "column with unknown type", 3, "unknown string 1")]
    public void A_string_column_of_any_writer_is_read(string file, string column, int documents, string first)
    {
        var read = Read(Data(file), column);
        Assert.StartsWith(first, read[0], StringComparison.Ordinal);
        Assert.Equal(documents, read.Count);
    }

    [Theory]
    [InlineData("data/hadoop_lz4_compressed", "c1")]        // a framing of Hadoop's own, given up by the format
    [InlineData("data/dict-page-offset-zero", "x")]
    [InlineData("data/float16_nonzeros_and_nans", "x")]
    [InlineData("data/repeated_no_annotation", "x")]
    [InlineData("bad_data/ARROW-GH-41321", "large_binary")]
    [InlineData("bad_data/ARROW-GH-43605", "min_fl")]
    [InlineData("bad_data/ARROW-GH-45185", "x")]
    [InlineData("bad_data/ARROW-GH-47662", "flba_field")]
    [InlineData("bad_data/ARROW-RS-GH-6229-DICTHEADER", "name")]
    [InlineData("bad_data/ARROW-RS-GH-6229-LEVELS", "outer")]
    [InlineData("bad_data/PARQUET-1481", "x")]
    public void A_bad_file_gives_one_clear_error(string file, string column)
    {
        string path = Shared.Path($"data/parquet/{file}.parquet");
        var error = Assert.Throws<InvalidDataException>(() => Read(path, column));
        Assert.StartsWith($"'{path}'", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Matches("with --(skip-bad|text-column)[.]$", error.Message);
        Assert.Equal(file.EndsWith("41321", StringComparison.Ordinal) ? 2 : 0, Read(path, column, skip: true).Count); // its second row group is whole
    }
}
