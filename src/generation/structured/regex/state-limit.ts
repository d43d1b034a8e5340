/** Texts need too many states to tell them apart; the message, a clause, says what to do. */
export class StateLimit extends Error {}
