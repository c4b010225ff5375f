# Writes glmnet_converged.csv: glmnet's coefficients on the Lung1 training patients, iterated until they no longer move.
# Rscript tests/oracles/glmnet_converged.R ORACLE_FOLDER > tests/oracles/glmnet_converged.csv
# Debian packages: r-cran-glmnet. thresh = 1e-24 leaves the optimality conditions unmet by 3e-12 at most.
suppressMessages(library(glmnet))
folder <- commandArgs(trailingOnly = TRUE)[1]
split <- read.csv(file.path(folder, "split.csv"))
features <- read.csv(file.path(folder, "features.csv"), row.names = 1, check.names = FALSE)
curves <- read.csv(file.path(folder, "lasso_cv.csv"))
train <- split[split$set == "train", ]
z <- scale(as.matrix(features[train$id, ]))
y <- cbind(time = train$time, status = as.integer(train$event))
cat("block,index,feature,coefficient\n")
for (block in unique(curves$block)) {
  lambda <- curves$lambda[curves$block == block]
  candidates <- read.csv(file.path(folder, paste0("lasso_path_", block, ".csv")))$feature
  path <- glmnet(z[, candidates], y, family = "cox", lambda = lambda, thresh = 1e-24, maxit = 1e9)$beta
  for (index in sort(union(seq(5, 60, by = 5), which.min(curves$cvm[curves$block == block])))) {
    beta <- path[, index]
    for (feature in names(beta)[beta != 0]) cat(sprintf("%s,%d,%s,%.15g\n", block, index, feature, beta[[feature]]))
  }
}
