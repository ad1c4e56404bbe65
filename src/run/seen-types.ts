/** What `seen/` of a run folder holds; types alone, for pages as well. */

/** A picture of equal cells, row by row from the upper left. */
export interface Sheet {
  readonly columns: number;
  /** Pixels of a cell. */
  readonly width: number;
  readonly height: number;
}

export interface SeenPictures {
  readonly classes: readonly string[];
  /** Positions in the training set of images that have no label in this run, ascending. */
  readonly index: readonly number[];
  /** Their true classes, where the data set knows them; -1 where it does not. Training never sees these. */
  readonly truth: readonly number[];
  /** Share of each class among the labels of the run: what pseudo-labels should look like where labeled and unlabeled images are alike. */
  readonly prior: readonly number[];
  /** Role whose error is the run's result. */
  readonly predictor: string;
  /** Of pictures.png; undefined where the data are no pictures. */
  readonly sheet?: Sheet;
}

export interface SeenViews {
  /** "original", "eval", "weak 1", "strong 1", ...: the columns of views.png, a row an image. */
  readonly columns: readonly string[];
  /** Positions in the training set. */
  readonly index: readonly number[];
  readonly sheet: Sheet;
}

/** What one model thought of the images of `SeenPictures`. */
export interface Belief {
  /** The likeliest classes of each image, `top` for each, likeliest first. */
  readonly classes: readonly number[];
  /** Their probabilities, three digits. */
  readonly probabilities: readonly number[];
}

export interface SeenStep {
  readonly step: number;
  /** How many classes a belief has for each image. */
  readonly top: number;
  readonly beliefs: Readonly<Record<string, Belief>>;
  readonly split: "test" | "val";
  /** By role `[true class][predicted class]`, counts; left out where there are more than 100 classes. */
  readonly confusion?: Readonly<Record<string, readonly (readonly number[])[]>>;
}
