namespace Parsimony.Tools.Arithmetic;

/// <summary>Questions in the form of EleutherAI/arithmetic (Brown et al. 2020, section 3.9.1): two numbers of up to five digits plus, minus or times, or three single digits with brackets, all kinds mixed, as
/// the article's feature table shows them.</summary>
internal static class ArithmeticQuestions
{
    /// <summary>So many questions with their answers; the same seed gives the same.</summary>
    public static IEnumerable<(string Context, string Completion)> Draw(int count, int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < count; i++) yield return random.Next(4) == 0 ? Brackets(random) : Pair(random);
    }

    private static (string, string) Pair(Random random)
    {
        int below = (int)Math.Pow(10, random.Next(1, 6));
        long a = random.Next(below), b = random.Next(below);
        var (word, value) = random.Next(3) switch
        {
            0 => ("plus", a + b),
            1 => ("minus", a - b),
            _ => ("times", (a %= 100) * (b %= 100)),
        };
        return ($"Question: What is {a} {word} {b}?\nAnswer:", $" {value}");
    }

    private static (string, string) Brackets(Random random)
    {
        int a = random.Next(10), b = random.Next(10), c = random.Next(10);
        (char First, char Second) signs = ("+-*"[random.Next(3)], "+-*"[random.Next(3)]);
        static int Of(int x, char sign, int y) => sign switch { '+' => x + y, '-' => x - y, _ => x * y };
        return ($"Question: What is ({a} {signs.First} {b}) {signs.Second} {c}?\nAnswer:", $" {Of(Of(a, signs.First, b), signs.Second, c)}");
    }
}
