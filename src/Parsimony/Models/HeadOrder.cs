namespace Parsimony.Models;

/// <summary>In what order the rows of the joint query, key and value projection go.</summary>
internal enum HeadOrder
{
    /// <summary>Head by head, each head's query, key and value in turn (GPT-NeoX); every query has its own key and value.</summary>
    ByHead,
    /// <summary>All queries, then all keys, then all values.</summary>
    ByKind,
}
