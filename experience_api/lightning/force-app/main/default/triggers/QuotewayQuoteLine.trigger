/** Each change of a quote's lines raises the quote's revision; a frozen quote loses none. */
trigger QuotewayQuoteLine on QuoteLineItem (before delete, after insert, after update, after delete, after undelete) {
    if (Trigger.isBefore) {
        QuotewayFreeze.keepLinesOfFrozenQuotes(Trigger.old);
        return;
    }
    QuotewayRevision.raiseForLines(Trigger.new, Trigger.oldMap);
}
