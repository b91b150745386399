using System.Text;
using Parquet;
using Parquet.Schema;

namespace Parsimony.Text;

/// <summary>
/// A string column of a parquet file, a row group at a time; each row is a document, and one without a value is none. A row of a list or a map is
/// its strings, a newline between them.
/// </summary>
internal static class ParquetText
{
    private static readonly string[] Wrappers = ["list", "element", "item", "array", "bag", "array_element", "key_value", "map"];

    public static IEnumerable<TextRecord> Read(string path, string column, BadRecords bad, long from)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        string unreadable = $"'{path}' is not a parquet file that can be read";
        var file = Trying(unreadable, () =>
            ParquetReader.CreateAsync(stream, new ParquetOptions { TreatByteArrayAsString = true }, leaveStreamOpen: true).GetAwaiter().GetResult());
        try
        {
            var field = Column(Trying(unreadable, () => file.Schema), column, path);
            long row = 0;
            for (int group = 0; group < file.RowGroupCount; group++)
            {
                long rows = file.Metadata!.RowGroups[group].NumRows;
                if (row + rows > from && Rows(file, group, field, path, bad) is { } texts)
                    for (int i = (int)Math.Max(0, from - row); i < texts.Length; i++)
                        foreach (var piece in TextPiece.Of(texts[i] ?? "")) yield return new(piece, row + i);
                row += rows;
            }
        }
        finally
        {
            file.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>The column of that name; inside others <c>outer.inner</c>, where the layers that only make a list or a map may be left out.</summary>
    private static DataField Column(ParquetSchema schema, string name, string path)
    {
        var texts = schema.GetDataFields().Where(f => f.ClrType == typeof(ReadOnlyMemory<char>) || f.ClrType == typeof(ReadOnlyMemory<byte>)).ToList();
        return texts.Find(f => string.Join('.', f.Path.ToList()) == name)
            ?? texts.Find(f => Short(f) == name)
            ?? throw new InvalidDataException($"'{path}' has no text column '{name}' (it has: {(texts.Count == 0 ? "none at all" : string.Join(", ", texts.Take(12).Select(Short)))}). "
                + "Name one with --text-column.");
    }

    private static string Short(DataField field)
    {
        var parts = field.Path.ToList();
        return string.Join('.', parts.Where((p, i) => i == 0 || !Wrappers.Contains(p)));
    }

    private static string?[]? Rows(ParquetReader file, int number, DataField field, string path, BadRecords bad)
    {
        try
        {
            return Trying($"'{path}', row group {number}: the column '{Short(field)}' cannot be read", () => Rows(file, number, field));
        }
        catch (InvalidDataException e)
        {
            bad.Add(e);
            return null;
        }
    }

    private static string?[] Rows(ParquetReader file, int number, DataField field)
    {
        using var group = file.OpenRowGroupReader(number);
        foreach (var flat in file.Schema.GetDataFields().Where(f => f.MaxRepetitionLevel == 0))
            if (group.GetMetadata(flat)?.MetaData?.NumValues is { } values && values != group.RowCount)
                throw new InvalidDataException($"its column '{flat.Path}' has {values} values for {group.RowCount} rows");

        int count = checked((int)(group.GetMetadata(field)?.MetaData?.NumValues ?? throw new InvalidDataException("it is not in this row group")));
        int[] definitions = field.MaxDefinitionLevel > 0 ? new int[count] : [], repetitions = field.MaxRepetitionLevel > 0 ? new int[count] : [];
        Memory<int>? defined = field.MaxDefinitionLevel > 0 ? definitions : default(Memory<int>?), repeated = field.MaxRepetitionLevel > 0 ? repetitions : default(Memory<int>?);
        string[] texts;
        if (field.ClrType == typeof(ReadOnlyMemory<char>))
        {
            var raw = new ReadOnlyMemory<char>[count];
            group.ReadRawAsync<ReadOnlyMemory<char>>(field, raw, defined, repeated).AsTask().GetAwaiter().GetResult();
            texts = Array.ConvertAll(raw, r => r.ToString());
        }
        else
        {
            var raw = new ReadOnlyMemory<byte>[count];
            group.ReadRawAsync<ReadOnlyMemory<byte>>(field, raw, defined, repeated).AsTask().GetAwaiter().GetResult();
            texts = Array.ConvertAll(raw, r => Encoding.UTF8.GetString(r.Span));
        }

        // Values come without the nulls; which row a value belongs to is in the levels.
        var rows = new string?[checked((int)group.RowCount)];
        for (int level = 0, row = -1, next = 0; level < count; level++)
        {
            if (repetitions.Length == 0 || repetitions[level] == 0) row++;
            if (row < 0 || row >= rows.Length) throw new InvalidDataException($"its levels begin {row + 1} rows of {rows.Length}");
            if (definitions.Length > 0 && definitions[level] < field.MaxDefinitionLevel) continue;
            rows[row] = rows[row] is { } before ? $"{before}\n{texts[next++]}" : texts[next++];
        }
        return rows;
    }

    /// <summary>What the library throws at a broken file is of any kind: each becomes one sentence.</summary>
    private static T Trying<T>(string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is not UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{what} ({e.Message.Split('\n')[0].TrimEnd('.', ' ', '\r')}). Fetch it again, write it anew with a current library, "
                + "or pass over what is broken with --skip-bad.", e);
        }
    }
}
