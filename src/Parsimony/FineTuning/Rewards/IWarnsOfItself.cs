namespace Parsimony.FineTuning.Rewards;

/// <summary>A reward that can tell from what it has seen that it is of no use.</summary>
internal interface IWarnsOfItself
{
    /// <summary>A sentence for people; null: nothing is wrong so far.</summary>
    string? Warning { get; }
}
