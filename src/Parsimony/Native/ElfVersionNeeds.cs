using System.Buffers.Binary;
using System.Text;

namespace Parsimony.Native;

/// <summary>
/// The symbol-version needs (<c>.gnu.version_r</c>) of an ELF64 little-endian shared object, held in memory.
/// Layout: System V gABI chapter 5 and the LSB "Symbol Versioning" section.
/// </summary>
internal static class ElfVersionNeeds
{
    private const ushort WeakFlag = 0x2; // VER_FLG_WEAK: glibc accepts the object when the version is missing
    private const uint ElfMagic = 0x7F454C46;
    private const uint LoadSegment = 1, DynamicSegment = 2;
    private const ulong StringTableTag = 5, VersionNeedTag = 0x6ffffffe, VersionNeedCountTag = 0x6fffffff;

    private readonly record struct Segment(ulong Address, ulong Offset, ulong Length);

    /// <summary>Marks as weak every need of <paramref name="library"/> for one of <paramref name="versions"/>.</summary>
    /// <returns>How many needs were changed; 0 when the image is no such object or has no such need.</returns>
    public static int Weaken(Span<byte> image, string library, params ReadOnlySpan<string> versions)
    {
        if (image.Length < 64 || BinaryPrimitives.ReadUInt32BigEndian(image) != ElfMagic || image[4] != 2 || image[5] != 1)
            return 0;
        var (segments, dynamicStart, dynamicLength) = ReadSegments(image);

        ulong strings = 0, needs = 0, needCount = 0;
        for (int o = dynamicStart; o < dynamicStart + dynamicLength; o += 16)
        {
            ulong tag = U64(image, o), value = U64(image, o + 8);
            if (tag == 0) break;
            if (tag == StringTableTag) strings = value;
            else if (tag == VersionNeedTag) needs = value;
            else if (tag == VersionNeedCountTag) needCount = value;
        }

        int stringsAt = FileOffset(segments, strings), need = FileOffset(segments, needs);
        if (stringsAt < 0 || need < 0) return 0;

        int changed = 0;
        for (ulong i = 0; i < needCount; i++)
        {
            bool ofLibrary = Text(image, stringsAt + (int)U32(image, need + 4)) == library;
            int version = need + (int)U32(image, need + 8);
            for (int left = U16(image, need + 2); left > 0; left--)
            {
                if (ofLibrary && versions.Contains(Text(image, stringsAt + (int)U32(image, version + 8))))
                {
                    ushort flags = (ushort)(U16(image, version + 4) | WeakFlag);
                    BinaryPrimitives.WriteUInt16LittleEndian(image[(version + 4)..], flags);
                    changed++;
                }
                version += (int)U32(image, version + 12);
            }
            int next = (int)U32(image, need + 12);
            if (next == 0) break;
            need += next;
        }
        return changed;
    }

    private static (List<Segment> Loads, int DynamicStart, int DynamicLength) ReadSegments(ReadOnlySpan<byte> image)
    {
        var loads = new List<Segment>();
        int dynamicStart = 0, dynamicLength = 0;
        int table = checked((int)U64(image, 0x20)), entrySize = U16(image, 0x36), count = U16(image, 0x38);
        for (int i = 0; i < count; i++)
        {
            int o = table + i * entrySize;
            uint kind = U32(image, o);
            if (kind == LoadSegment) loads.Add(new(U64(image, o + 16), U64(image, o + 8), U64(image, o + 32)));
            else if (kind == DynamicSegment)
                (dynamicStart, dynamicLength) = (checked((int)U64(image, o + 8)), checked((int)U64(image, o + 32)));
        }
        return (loads, dynamicStart, dynamicLength);
    }

    private static int FileOffset(List<Segment> loads, ulong address)
    {
        foreach (var s in loads)
            if (address >= s.Address && address < s.Address + s.Length)
                return checked((int)(address - s.Address + s.Offset));
        return -1;
    }

    private static ushort U16(ReadOnlySpan<byte> b, int at) => BinaryPrimitives.ReadUInt16LittleEndian(b[at..]);
    private static uint U32(ReadOnlySpan<byte> b, int at) => BinaryPrimitives.ReadUInt32LittleEndian(b[at..]);
    private static ulong U64(ReadOnlySpan<byte> b, int at) => BinaryPrimitives.ReadUInt64LittleEndian(b[at..]);
    private static string Text(ReadOnlySpan<byte> b, int at) => Encoding.ASCII.GetString(b[at..][..b[at..].IndexOf((byte)0)]);
}
