namespace Parsimony.Reporting;

/// <summary>The files of <c>Reporting/Assets</c>, carried inside the library: the page's style sheet and its typeface.</summary>
internal static class Asset
{
    /// <summary>The bytes of one file, by its plain name.</summary>
    public static byte[] Bytes(string name)
    {
        using var stream = typeof(Asset).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"the library was built without its resource {name}.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>The text of one file, by its plain name.</summary>
    public static string Text(string name) => System.Text.Encoding.UTF8.GetString(Bytes(name));

    /// <summary>One file as a <c>data:</c> address, so that a page can hold it.</summary>
    public static string DataUri(string name, string mediaType) => $"data:{mediaType};base64,{Convert.ToBase64String(Bytes(name))}";
}
