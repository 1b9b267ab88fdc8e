/** A quote is frozen while an order of it is being booked, and thawed when the order ends otherwise than booked. */
trigger QuotewayOrder on Quoteway_Order__c (after insert, after update, after delete, after undelete) {
    QuotewayFreeze.freezeOrThaw(Trigger.isDelete ? Trigger.old : Trigger.new);
}
