# Writes bootstrap_slopes_converged.csv: R's calibration slope in each of the 1000 resamples, iterated until it no longer moves.
# Rscript tests/oracles/bootstrap_slopes_converged.R ORACLE_FOLDER > tests/oracles/bootstrap_slopes_converged.csv
# With its defaults coxph stops once the log likelihood changes by less than 1e-9 of itself: up to 9e-9 short of the maximum.
suppressMessages(library(survival))
folder <- commandArgs(trailingOnly = TRUE)[1]
scores <- read.csv(file.path(folder, "scores.csv"))
split <- read.csv(file.path(folder, "split.csv"))
split$set <- NULL
patients <- merge(scores, split, by = "id")
test <- patients[patients$set == "test", ]
test <- test[order(test$id, method = "radix"), ]
rows <- as.matrix(read.csv(gzfile(file.path(folder, "boot_idx.csv.gz")), header = FALSE)) + 1
cat("slope\n")
for (b in seq_len(nrow(rows))) {
  drawn <- test[rows[b, ], ]
  fit <- coxph(Surv(time, as.integer(event)) ~ lp, drawn, ties = "efron",
               control = coxph.control(eps = 1e-13, toler.chol = 1e-16, iter.max = 100))
  cat(sprintf("%.15g\n", coef(fit)))
}
