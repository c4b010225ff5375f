# ComBat with a reference batch, as Bioconductor's sva has it. Debian package: r-bioc-sva.
# Rscript tests/oracles/combat_sva.R FOLDER: reads features.csv (rows patients, first column the batch) and writes
# default.csv (sva as it is) and converged.csv (the same, iterated until its estimates no longer move).
if (!requireNamespace("sva", quietly = TRUE)) quit(status = 77)
suppressMessages(library(sva))
folder <- commandArgs(trailingOnly = TRUE)[1]
table <- read.csv(file.path(folder, "features.csv"), check.names = FALSE)
values <- t(as.matrix(table[, -1]))
aligned <- function() {
  found <- suppressMessages(ComBat(values, table$batch, ref.batch = "training"))
  t(found)
}
write <- function(found, name) {
  write.table(format(found, digits = 17), file.path(folder, name), sep = ",", quote = FALSE, row.names = FALSE)
}
invisible(capture.output(found <- aligned()))
write(found, "default.csv")
# sva stops when neither estimate grows by more than 1e-4 of itself; what shrinks or is negative it does not look at.
fixed <- function(sdat, g.hat, d.hat, g.bar, t2, a, b) {
  n <- rowSums(!is.na(sdat)); g <- g.hat; d <- d.hat
  for (round in 1:2000) {
    g <- get("postmean", asNamespace("sva"))(g.hat, g.bar, n, d, t2)
    d <- get("postvar", asNamespace("sva"))(rowSums((sdat - g)^2), n, a, b)
  }
  rbind(g.star = g, d.star = d)
}
assignInNamespace("it.sol", fixed, "sva")
invisible(capture.output(found <- aligned()))
write(found, "converged.csv")
