/** A quote notes when it was accepted, raises its revision when its header changes, and stays while it is frozen. */
trigger QuotewayQuote on Quote (before insert, before update, before delete) {
    if (Trigger.isDelete) {
        QuotewayFreeze.keepFrozenQuotes(Trigger.old);
        return;
    }
    QuotewayAcceptance.stamp(Trigger.new, Trigger.oldMap);
    if (Trigger.isUpdate) {
        QuotewayRevision.raiseForHeaders(Trigger.new, Trigger.oldMap);
    }
}
