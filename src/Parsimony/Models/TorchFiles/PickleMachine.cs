using System.Buffers.Binary;
using System.Text;

namespace Parsimony.Models.TorchFiles;

/// <summary>
/// Reads a pickle of protocol 2 to 5 as data: numbers, texts, lists, dictionaries and the tensors of <see cref="TorchGlobals"/>. There is no opcode here that
/// imports, constructs or calls anything; what is not on the lists ends the reading with one sentence.
/// </summary>
/// <remarks>What it builds: null, <see cref="bool"/>, <see cref="long"/>, <see cref="double"/>, <see cref="string"/>, a list as <c>List</c>, a tuple as an array, a
/// dictionary as <c>OrderedDictionary</c> with keys that are texts or whole numbers, <see cref="TorchTensor"/>.</remarks>
internal sealed class PickleMachine
{
    private readonly byte[] data;
    private readonly List<object?> stack = [];
    private readonly Stack<int> marks = new();
    private readonly Dictionary<long, object?> memo = [];
    private int at;

    private PickleMachine(byte[] data) => this.data = data;

    /// <summary>The object a pickle holds.</summary>
    /// <exception cref="FormatException">It is cut off, or holds something that is not on the lists; the message is a clause without a full stop.</exception>
    public static object? Read(byte[] pickle)
    {
        var machine = new PickleMachine(pickle);
        try
        {
            if (machine.Byte() != 0x80 || machine.Byte() is < 2 or > 5) throw new FormatException("it is not a pickle of protocol 2 to 5");
            while (machine.Step()) { }
            return machine.Pop();
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw new FormatException($"its pickle is cut off or broken at byte {machine.at}", e);
        }
    }

    private bool Step()
    {
        byte code = Byte();
        switch (code)
        {
            case (byte)'.': return false;
            case 0x95: _ = Take(8); break; // FRAME: a hint about lengths
            case (byte)'(': marks.Push(stack.Count); break;
            case (byte)'0': _ = Pop(); break;
            case (byte)'1': _ = SinceMark(); break;
            case (byte)'N': Push(null); break;
            case 0x88: Push(true); break;
            case 0x89: Push(false); break;
            case (byte)'K': Push((long)Byte()); break;
            case (byte)'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
            case (byte)'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); break;
            case 0x8a: Push(Whole(Byte())); break;
            case (byte)'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); break;
            case (byte)'X': Push(Text(Length4())); break;
            case 0x8c: Push(Text(Byte())); break;
            case 0x8d: Push(Text(BinaryPrimitives.ReadUInt64LittleEndian(Take(8)))); break;
            case (byte)'T': Push(Encoding.Latin1.GetString(Take(Length4()))); break; // Python 2's texts
            case (byte)'U': Push(Encoding.Latin1.GetString(Take(Byte()))); break;
            case (byte)')': Push(Array.Empty<object?>()); break;
            case (byte)'t': Push(SinceMark()); break;
            case 0x85: Push(Last(1)); break;
            case 0x86: Push(Last(2)); break;
            case 0x87: Push(Last(3)); break;
            case (byte)']': Push(new List<object?>()); break;
            case (byte)'a': { object? item = Pop(); Top<List<object?>>("a list").Add(item); break; }
            case (byte)'e': { object?[] items = SinceMark(); Top<List<object?>>("a list").AddRange(items); break; }
            case (byte)'}': Push(new OrderedDictionary<object, object?>()); break;
            case (byte)'s': Set(Last(2)); break;
            case (byte)'u': Set(SinceMark()); break;
            case (byte)'q': memo[Byte()] = stack[^1]; break;
            case (byte)'r': memo[(long)Length4()] = stack[^1]; break;
            case 0x94: memo[memo.Count] = stack[^1]; break;
            case (byte)'h': Push(Memo(Byte())); break;
            case (byte)'j': Push(Memo((long)Length4())); break;
            case (byte)'c': Push(Global(Line(), Line())); break;
            case 0x93: { object?[] names = Last(2); Push(Global(names[0] as string ?? "?", names[1] as string ?? "?")); break; }
            case (byte)'R': Call(); break;
            case (byte)'b': Build(); break;
            case (byte)'Q': Push(Persistent(Pop())); break;
            default:
                throw new FormatException($"its pickle has opcode 0x{code:x2} at byte {at - 1}, which plain tensors, numbers, texts, lists and dictionaries do not need");
        }
        return true;
    }

    private void Call()
    {
        object?[] args = Pop() as object?[] ?? throw new FormatException("it calls something without a tuple of arguments");
        var global = Pop() as TorchGlobal ?? throw new FormatException("it calls something that is not a name");
        Push(TorchGlobals.Call(global, args) ?? throw new FormatException($"it calls {global.Name} with arguments that torch does not write"));
    }

    // A state dictionary carries its modules' versions as an attribute; nothing else may be given attributes.
    private void Build()
    {
        _ = Pop();
        _ = Top<OrderedDictionary<object, object?>>("an OrderedDict");
    }

    private static object Global(string module, string name) => TorchGlobals.Find(module, name) ?? throw new FormatException(
        $"it names {Shown(module)}.{Shown(name)}, and only plain tensors, numbers, texts, lists and dictionaries are read, nothing is ever run; "
        + "save the state dictionary alone: torch.save(model.state_dict(), path)");

    private static TorchStorage Persistent(object? id) => id is object?[] and
        ["storage", TorchGlobal { Storage: { } type }, string key, string, long elements, ..] && elements >= 0 && key.Length is > 0 and < 100
        ? new TorchStorage(key, type, elements)
        : throw new FormatException("it refers to a storage in a way that torch does not write");

    private void Set(object?[] pairs)
    {
        var dictionary = Top<OrderedDictionary<object, object?>>("a dictionary");
        if (pairs.Length % 2 != 0) throw new FormatException("a dictionary has a key without a value");
        for (int i = 0; i < pairs.Length; i += 2)
            dictionary[pairs[i] is string or long ? pairs[i]! : throw new FormatException("a dictionary has a key that is neither a text nor a whole number")]
                = pairs[i + 1];
    }

    private T Top<T>(string what) where T : class => stack[^1] as T ?? throw new FormatException($"it adds to something that is not {what}");

    private object? Memo(long index) => memo.TryGetValue(index, out object? value) ? value : throw new FormatException($"it refers to object {index}, which it has not got");

    private void Push(object? value) => stack.Add(value);

    private object? Pop() => Last(1)[0];

    private object?[] Last(int count)
    {
        if (marks.TryPeek(out int mark) && stack.Count - count < mark) throw new FormatException("its pickle takes more from the stack than is there");
        object?[] taken = [.. stack.GetRange(stack.Count - count, count)];
        stack.RemoveRange(stack.Count - count, count);
        return taken;
    }

    private object?[] SinceMark()
    {
        int mark = marks.Pop();
        object?[] taken = [.. stack.GetRange(mark, stack.Count - mark)];
        stack.RemoveRange(mark, stack.Count - mark);
        return taken;
    }

    private byte Byte() => data[at++];

    private ulong Length4() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private string Text(ulong length) => Encoding.UTF8.GetString(Take(length));

    private long Whole(byte bytes)
    {
        if (bytes > 8) throw new FormatException($"it holds a whole number of {bytes} bytes; at most 8 are read");
        var taken = Take(bytes);
        long value = bytes > 0 && (sbyte)taken[^1] < 0 ? -1 : 0;
        for (int i = bytes - 1; i >= 0; i--) value = value << 8 | taken[i];
        return value;
    }

    private string Line()
    {
        int end = data.AsSpan(at).IndexOf((byte)'\n');
        string text = Encoding.UTF8.GetString(Take((ulong)(end >= 0 ? end : throw new InvalidOperationException())));
        at++;
        return text;
    }

    private ReadOnlySpan<byte> Take(ulong count)
    {
        if (count > (ulong)(data.Length - at)) throw new InvalidOperationException();
        at += (int)count;
        return data.AsSpan(at - (int)count, (int)count);
    }

    private static string Shown(string name) => name.Length <= 60 ? name : name[..60] + "…";
}
