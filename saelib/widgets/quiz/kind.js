// What every kind of question does in a page.

/**
 * What must be known of a kind of question. An answer is any JSON value but null; `undefined` means none.
 * @typedef {{
 *   note?: string,  // what to do, where the controls alone don't say it
 *   retry?: string,  // what to do after a wrong answer, where it is not thinking again
 *   texts?: (question: any) => string[],  // the author's texts that an answer is made of, if it is
 *   fits: (question: any, answer: any) => boolean,  // whether a reader of this question could have answered this
 *   isRight: (question: any, answer: any) => boolean,
 *   feedback: (question: any, answer: any) => (Node|string)[][],  // paragraphs
 *   controls: (question: any, onChange: () => void, onCheck: () => void) => {  // `onCheck` is as good as the button
 *     node: HTMLElement, after?: HTMLElement,  // `after` stands under the feedback
 *     read: () => any, write: (answer: any) => void, mark: (answer: any) => void,
 *     missing?: () => string,  // what to do first, where there is nothing to read yet
 *     draft?: () => any, redraft?: (draft: any) => boolean,  // what stands there unchecked, where it is more than `read` and `write` know; false if it is none
 *     stop?: () => void},  // what ends it, where it listens to more than its own node
 * }} Kind
 */

/** The kinds by name. Each file in kinds/ enters its own, and comes before what asks (kinds/__init__.py). @type {Record<string, Kind>} */
export const KINDS = {};
