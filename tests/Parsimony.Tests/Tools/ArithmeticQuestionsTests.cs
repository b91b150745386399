using System.Data;
using System.Globalization;
using Parsimony.Tools.Arithmetic;
using Xunit;

namespace Parsimony.Tests.Tools;

public sealed class ArithmeticQuestionsTests
{
    [Fact]
    public void Every_answer_is_right_and_the_seed_decides_the_questions()
    {
        using var table = new DataTable();
        var drawn = ArithmeticQuestions.Draw(500, 3).ToList();
        foreach (var (context, completion) in drawn)
        {
            Assert.StartsWith("Question: What is ", context, StringComparison.Ordinal);
            Assert.EndsWith("?\nAnswer:", context, StringComparison.Ordinal);
            string sum = context["Question: What is ".Length..^"?\nAnswer:".Length].Replace("plus", "+").Replace("minus", "-").Replace("times", "*");
            Assert.Equal(" " + Convert.ToInt64(table.Compute(sum, null), CultureInfo.InvariantCulture), completion);
        }
        Assert.Equal(drawn, ArithmeticQuestions.Draw(500, 3));
        Assert.NotEqual(drawn, ArithmeticQuestions.Draw(500, 4));
        Assert.All((string[])["plus", "minus", "times", "("], kind => Assert.Contains(drawn, q => q.Context.Contains(kind, StringComparison.Ordinal)));
    }
}
