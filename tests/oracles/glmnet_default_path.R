# The penalties of glmnet's default path for Cox models, and what they explain. Debian package: r-cran-glmnet.
# Rscript tests/oracles/glmnet_default_path.R FOLDER: reads NAME.csv (first columns days and event) and writes NAME-path.csv
# of each. Iterated to the end where that takes no minutes: by default (1e-7) what is explained stands still too early.
if (!requireNamespace("glmnet", quietly = TRUE)) quit(status = 77)
suppressMessages(library(glmnet))
folder <- commandArgs(trailingOnly = TRUE)[1]
for (file in list.files(folder, pattern = "^[a-z]+[.]csv$")) {
  table <- read.csv(file.path(folder, file), check.names = FALSE)
  outcome <- survival::Surv(table$days, table$event)
  x <- as.matrix(table[, -(1:2)])
  found <- glmnet(x, outcome, family = "cox", thresh = if (nrow(x) < ncol(x)) 1e-7 else 1e-13, maxit = 1e7)
  write.csv(
    format(data.frame(lambda = found$lambda, explained = found$dev.ratio), digits = 17),
    file.path(folder, sub("[.]csv$", "-path.csv", file)),
    row.names = FALSE, quote = FALSE
  )
}
