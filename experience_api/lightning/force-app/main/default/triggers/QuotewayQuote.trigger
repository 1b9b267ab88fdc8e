/** A quote notes when it was accepted, and raises its revision when its header changes. */
trigger QuotewayQuote on Quote (before insert, before update) {
    QuotewayAcceptance.stamp(Trigger.new, Trigger.oldMap);
    if (Trigger.isUpdate) {
        QuotewayRevision.raiseForHeaders(Trigger.new, Trigger.oldMap);
    }
}
